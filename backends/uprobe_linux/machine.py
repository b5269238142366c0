"""A program that is ready to run, and the loop that runs it; see :class:`uprobe_core.backend.Machine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uprobe_linux.arena import Arena
from uprobe_linux.clock import Clock

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler, Target
    from uprobe_linux.cpu import Cpu
    from uprobe_linux.process import LinuxProcess
    from uprobe_linux.task import LinuxTask

__all__ = ("LinuxMachine",)


class LinuxMachine:
    """Everything of one run that lives in this host process."""

    def __init__(self, target: Target, handler: ProbeHandler, cpu: Cpu, arena: Arena) -> None:
        self.target = target
        self.handler = handler
        self.cpu = cpu
        self.arena = arena
        self.clock = Clock(target.clock)
        self.process: LinuxProcess | None = None
        self.current: LinuxTask | None = None
        """The task whose registers are in the CPU."""
        self.scheduler: Any = None
        self.pids: Any = None
