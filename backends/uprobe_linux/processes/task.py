"""One guest thread; see :class:`uprobe_core.backend.Task`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uprobe_linux.calls import Syscall, Wait
    from uprobe_linux.processes.process import LinuxProcess

__all__ = ("LinuxTask",)

MASK64 = (1 << 64) - 1
PSTATE_SSBS = 1 << 12
"""Set in every task's PSTATE by a kernel that allows speculative store bypass (recorded: loops-basic)."""


class LinuxTask:
    """A thread: registers live in the CPU while it is current, in ``context`` otherwise.

    :param tid: as the guest's gettid gives it
    """

    def __init__(self, process: LinuxProcess, tid: int, context: object = None) -> None:
        self.process: LinuxProcess = process
        self.tid = tid
        self.machine = process.machine
        self.cpu_core = process.machine.cpu
        self.name = b""
        self.context = context
        self.elsewhere = 0
        """Of all instructions that were executed, those that were not this task's."""
        self.stopped = self.cpu_core.executed
        """Executed instructions when it was the current task last."""
        self.wait: Wait | None = None
        """What the task is blocked on; kept while the blocked call is made again."""
        self.pending: tuple[Syscall, tuple[int, ...]] | None = None
        """The system call to make again when the wait is over."""
        self.signals: Any = None
        """TaskSignals."""
        self.syscall_number = -1
        """The call under way or last made; -1 when a signal frame was returned from."""
        """x0 as it was at the SVC, for restarts."""
        self.clear_child_tid = 0
        self.robust_list = 0
        self.exited = False
        self.sched_policy = self.sched_priority = 0
        """What sched_setscheduler asked for; tasks take turns all the same."""
        self.sched_deadline = 0, 0, 0
        """Run time, deadline and period of SCHED_DEADLINE, in nanoseconds."""
        self.no_new_privs = False
        self.timer_slack = 50_000
        """Nanoseconds, as prctl(PR_SET_TIMERSLACK) left it."""
        self.stepping = False
        self.landings: tuple[int, ...] = ()
        """Addresses of the backend's own traps that end the step under way."""
        self.pc_written = False
        self.skip_hook = -1
        """Address of a hook that was delivered but whose instruction has not run."""

    @property
    def comm(self) -> str:
        """The task name, at most 15 bytes."""
        return self.name.decode("utf-8", "surrogateescape")

    def get_reg(self, index: int) -> int:
        """64-bit register *index*: 0-30 x0-x30, 31 SP, 32 PC, 33 PSTATE."""
        if self.machine.current is self:
            value = self.cpu_core.get_reg(index)
        else:
            value = self.cpu_core.saved_reg(self.context, index)
        return value | PSTATE_SSBS if index == 33 else value

    def set_reg(self, index: int, value: int) -> None:
        """Write register *index*, modulo 2**64."""
        if index == 32:
            self.pc_written = True
        if self.machine.current is self:
            self.cpu_core.set_reg(index, value & MASK64)
        else:
            self.cpu_core.set_saved_reg(self.context, index, value & MASK64)

    def all_regs(self) -> tuple[list[int], list[int]]:
        """The 34 registers of :meth:`get_reg` and the 32 of :meth:`get_vec`."""
        core, reg, vec = self.cpu_core, self.cpu_core.get_reg, self.cpu_core.get_vec
        if self.machine.current is not self:
            reg, vec = partial(core.saved_reg, self.context), partial(core.saved_vec, self.context)
        regs = [reg(index) for index in range(34)]
        regs[33] |= PSTATE_SSBS
        return regs, [vec(index) for index in range(32)]

    def set_all_regs(self, regs: Sequence[int], vectors: Sequence[int]) -> None:
        """Write all of them."""
        core, reg, vec = self.cpu_core, self.cpu_core.set_reg, self.cpu_core.set_vec
        if self.machine.current is not self:
            reg, vec = partial(core.set_saved_reg, self.context), partial(core.set_saved_vec, self.context)
        self.pc_written = True
        for index, value in enumerate(regs):
            reg(index, value & MASK64)
        for index, value in enumerate(vectors):
            vec(index, value)

    def get_vec(self, index: int) -> int:
        """128-bit vector register *index*."""
        if self.machine.current is self:
            return self.cpu_core.get_vec(index)
        return self.cpu_core.saved_vec(self.context, index)

    def set_vec(self, index: int, value: int) -> None:
        """Write vector register *index*."""
        if self.machine.current is self:
            self.cpu_core.set_vec(index, value)
        else:
            self.cpu_core.set_saved_vec(self.context, index, value)

    def get_system(self, name: str) -> int:
        """One of "tpidr", "fpsr" and "fpcr"."""
        if self.machine.current is self:
            return self.cpu_core.get_system(name)
        return self.cpu_core.saved_system(self.context, name)

    def set_system(self, name: str, value: int) -> None:
        """Write "tpidr", "fpsr" or "fpcr"."""
        if self.machine.current is self:
            self.cpu_core.set_system(name, value)
        else:
            self.cpu_core.set_saved_system(self.context, name, value)

    def single_step(self, on: bool) -> None:
        """While on, the handler's on_step_done follows the next completed instruction."""
        self.stepping = on

    def work(self) -> int:
        """Instructions that this task has executed, and its parents before it was made."""
        return (self.cpu_core.executed if self.machine.current is self else self.stopped) - self.elsewhere

    def clock(self) -> int:
        """Nanoseconds for trace timestamps."""
        return self.machine.clock.monotonic()

    def cpu(self) -> int:
        """The virtual machine has one CPU."""
        return 0
