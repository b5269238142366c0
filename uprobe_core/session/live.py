"""Changes to a running program's probes: who may make them, and when they take effect.

Guest code runs in one thread, and only between two of its instructions, at a
*safe point*, may what it is probed with change.  Another thread waits for that
point and has the outcome, errors included; a consumer, which is called in the
middle of a hit, cannot wait, so what it asks for is checked at once and done
at the next safe point, before another instruction of the program.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from uprobe_core.backend import Machine
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.tracing.event import Event, EventProbe
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Batch", "LiveChanges")

T = TypeVar("T")


@dataclass
class Batch:
    """What takes effect together.

    :param added: locations that are not placed yet
    :param gone: locations to take out
    :param switched: (event, whether it is to be enabled), in order
    """

    added: list[EventProbe] = field(default_factory=list)
    gone: list[EventProbe] = field(default_factory=list)
    switched: list[tuple[Event, bool]] = field(default_factory=list)

    def apply(self, events: EventSet, registry: UprobeRegistry, files: GuestFiles) -> None:
        """At a safe point: first what can fail.  Raises ProbeError; nothing has changed then."""
        events.install(self.added, registry, files)
        events.uninstall(self.gone, registry)
        events.ask_filters(registry)
        self.switch_events()

    def switch_events(self) -> None:
        """Enable and disable."""
        for event, on in self.switched:
            if event.enabled != on:
                event.enabled = on


class _Change:
    """What one thread asked for.

    A plain lock tells it that it is done: it can be released in a forked child whose
    other threads are gone, where the lock of a condition may be held for ever.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._pending = threading.Lock()
        self._pending.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def work(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # it belongs to the thread that asked
            self._error = error
        finally:
            self._pending.release()

    def wait(self) -> Any:
        with self._pending:
            if self._error is not None:
                raise self._error
            return self._result


class LiveChanges:
    """Brings changes to the safe points of a machine while it runs."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._thread = 0
        self._waiting: deque[_Change] = deque()
        self._lock = threading.Lock()
        """Held while a machine is rung, so that it does not end meanwhile."""
        self._safe = True

    @property
    def is_running(self) -> bool:
        """Whether the machine runs, at a safe point or not."""
        return self._machine is not None

    @property
    def is_safe(self) -> bool:
        """Whether no guest code is under way: before and after the run, and at a safe point of it."""
        return self._safe

    @property
    def is_mine(self) -> bool:
        """Whether the caller is the running thread, or nothing runs."""
        return self._thread in (0, threading.get_ident())

    def begin(self, machine: Machine) -> None:
        """*machine* is about to run in this thread."""
        with self._lock:
            self._machine, self._thread = machine, threading.get_ident()
            self._safe = False
        if threading.active_count() > 1:
            # Who else is there may want something: a machine that knows can be stopped anywhere.
            machine.call_soon(self._work)

    def end(self) -> None:
        """It has run; what was asked for meanwhile is done now."""
        with self._lock:
            self._machine, self._thread = None, 0
        self._work()
        self._safe = True

    def in_child(self) -> None:
        """This is a forked process now: whoever held the lock is not here."""
        self._lock = threading.Lock()

    def do(self, function: Callable[[], T]) -> T:
        """Call *function* and return its result or raise its error.

        From the running thread at once (:attr:`is_safe` says whether it may touch the
        program), from any other at the next safe point, for which it waits.
        """
        if threading.get_ident() == self._thread:
            return function()
        with self._lock:
            machine = self._machine
            if machine is not None:
                change = _Change(function)
                self._waiting.append(change)
                machine.call_soon(self._work)
        if machine is None:
            return function()
        result: T = change.wait()
        return result

    def soon(self, function: Callable[[], None]) -> None:
        """Call *function* at the next safe point of the run, which is now if nothing runs.

        An error of it ends the run.
        """
        if self._safe or self._machine is None:
            function()
        else:
            self._machine.call_soon(lambda: self._safely(function))

    def _work(self) -> None:
        while self._waiting:
            self._safely(self._waiting.popleft().work)

    def _safely(self, function: Callable[[], None]) -> None:
        before, self._safe = self._safe, True
        try:
            function()
        finally:
            self._safe = before
