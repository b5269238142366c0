"""The limits of a run that are nobody else's: wall-clock seconds and executed instructions."""

from __future__ import annotations

import mmap
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine

__all__ = ("RunLimits",)


class RunLimits:
    """Stops *machine* with "timeout" or "max-insns".

    The instruction count is kept in memory that forked host processes share; two that add at the
    same instant may lose one addition, which a limit can bear.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._limits = machine.target.limits
        self._timer: threading.Timer | None = None
        self._counted = 0
        self._total: memoryview | None = None
        if self._limits.instructions is not None:
            self._total = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    def start(self) -> None:
        """The run begins."""
        if self._limits.seconds is not None:
            self._timer = threading.Timer(self._limits.seconds, self._machine.request_stop, ("timeout",))
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """The run is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def budget(self, wanted: int) -> int:
        """A budget for Cpu.run: *wanted*, or less, to end behind the branch that reaches the limit."""
        if self._total is None or self._limits.instructions is None:
            return wanted
        left = self._limits.instructions - self._total[0] - 1 or -1
        return min(wanted, left) if wanted else left

    def account(self) -> None:
        """After a run of the CPU: add what was executed, and stop at the limit."""
        if self._total is None or self._limits.instructions is None:
            return
        executed = self._machine.cpu.executed
        self._total[0] += executed - self._counted
        self._counted = executed
        if self._total[0] >= self._limits.instructions:
            self._machine.request_stop("max-insns")
