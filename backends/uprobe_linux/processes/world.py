"""The machine as the system calls see it: all that rooms ask of it, with its parts by their own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uprobe_linux.kernel import Machine, Task

if TYPE_CHECKING:
    from uprobe_linux.fs.file_times import FileTimes
    from uprobe_linux.fs.sandbox import Sandbox
    from uprobe_linux.memory.arena import Arena
    from uprobe_linux.net.private_net import PrivateNetwork
    from uprobe_linux.processes.family import Family
    from uprobe_linux.scheduling.clock import Clock
    from uprobe_linux.scheduling.scheduler import Scheduler
    from uprobe_linux.scheduling.timers import Timers
    from uprobe_linux.scheduling.turns import Turns

__all__ = ("World",)


class World(Machine, Protocol):
    """What a process runs on."""

    @property
    def arena(self) -> Arena:
        """Physical memory of the processes that are here."""
        ...

    @property
    def clock(self) -> Clock:
        """The guest's time."""
        ...

    def switched(self, task: Task) -> None:
        """The CPU has made *task* the current one by itself."""
        ...

    @property
    def sandbox(self) -> Sandbox:
        """What the guest may see and change of the host."""
        ...

    @property
    def file_times(self) -> FileTimes | None:
        """The guest's times of files, None with the host's clock."""
        ...

    @property
    def network(self) -> PrivateNetwork:
        """The network that the machine has to itself."""
        ...

    @property
    def family(self) -> Family:
        """All processes."""
        ...

    @property
    def scheduler(self) -> Scheduler:
        """Who runs next."""
        ...

    @property
    def turns(self) -> Turns:
        """Our place among the processes."""
        ...

    @property
    def timers(self) -> Timers:
        """The timers of the processes that are here."""
        ...
