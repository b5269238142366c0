"""What the rooms ask of those who say when something happens: Protocols, as in :mod:`uprobe_linux.kernel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ("Clock", "Turns", "Watcher")


class Clock(Protocol):
    """Time as the guest sees it (:mod:`uprobe_linux.scheduling.clock`); all in nanoseconds."""

    virtual: bool

    def sleep(self, nanoseconds: int) -> None:
        """Let time pass in which this process does nothing."""
        ...

    def catch_up(self, monotonic: int) -> None:
        """Be at least at *monotonic*."""
        ...

    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        ...

    def realtime(self) -> int:
        """CLOCK_REALTIME, since 1970."""
        ...

    def cpu_time(self) -> int:
        """Processor time of this process."""
        ...


class Turns(Protocol):
    """Our place among the processes of the machine (:class:`uprobe_linux.scheduling.turns.Turns`)."""

    several: bool
    horizon: int

    @property
    def moment(self) -> int:
        """That of what we do now."""
        ...

    def take(self) -> None:
        """Wait until it is our turn."""
        ...

    @property
    def ends(self) -> int:
        """The clock up to which it is known to be our turn."""
        ...

    def lost(self, host_pid: int) -> None:
        """A host process that we forked has ended."""
        ...

    def settle(self) -> None:
        """What we did is done: those that were marked wake."""
        ...

    def cross(self) -> None:
        """Wait for the others at the end of an epoch."""
        ...

    def rung(self) -> None:
        """Somebody rang while we were executing."""
        ...

    def wake(self, host_pid: int) -> None:
        """Have a host process look at its mail."""
        ...

    def touch(self, channel: int) -> None:
        """We are about to do something that others may wait for."""
        ...

    def sleep(self, deadline: int | None, channel: int, wait: Callable[[int | None], bool]) -> None:
        """Give up the turn until there is something to do."""
        ...


class Watcher(Protocol):
    """What stops the emulator from outside (:class:`uprobe_linux.scheduling.watcher.Watcher`)."""

    def descriptors(self) -> tuple[int, ...]:
        """What an idle machine must poll as well."""
        ...

    def answer(self) -> None:
        """What woke us has been looked at."""
        ...

    def after_fork(self) -> None:
        """In a new host process, which has no thread yet."""
        ...
