"""A thread of the fake backend: registers, and one toy instruction at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.testing.toy_arch import Instruction, Op
from uprobe_core.types import Fault, FaultKind, MemoryFault, TrapResult

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.testing.fake_memory import FakeProcess

__all__ = ("FakeTask",)

_SIGNAL = {
    FaultKind.MAPERR: "SIGSEGV",
    FaultKind.ACCERR: "SIGSEGV",
    FaultKind.ADRERR: "SIGBUS",
    FaultKind.ALIGN: "SIGBUS",
    FaultKind.UNDEFINED: "SIGILL",
    FaultKind.BREAKPOINT: "SIGTRAP",
}


class _UndefinedError(Exception):
    """The instruction is none."""


class Arguments:
    """The argument registers of a task by number, 0 being the first."""

    def __init__(self, task: FakeTask) -> None:
        self._task = task

    def __getitem__(self, number: int) -> int:
        return self._task.get_reg(self._task.registers.arguments[number])

    def __setitem__(self, number: int, value: int) -> None:
        self._task.set_reg(self._task.registers.arguments[number], value)


class FakeTask:
    """One thread.

    :ivar args: the argument registers, which instructions work on
    :ivar space: its process as what it really is
    :ivar delivered: (signal name, PC at delivery, si_addr) in order; si_addr 0 for asynchronous ones
    :ivar on_signal: what the program's signal handler does with the task, None: nothing
    """

    def __init__(self, process: FakeProcess, tid: int) -> None:
        self.process: Process = process
        self.space = process
        self.tid = tid
        self.name = "fake"
        self.registers = process.machine.architecture.registers
        self.regs = [0] * self.registers.count
        self.args = Arguments(self)
        self.vecs = [0] * 32
        self.stepping = False
        self.pending: list[str] = []
        self.executed = 0
        self.delivered: list[tuple[str, int, int]] = []
        self.on_signal: Callable[[FakeTask], None] | None = None
        process.tasks.append(self)

    # --- the contract ------------------------------------------------------------------------------

    @property
    def comm(self) -> str:
        """The task name."""
        return self.name

    def get_reg(self, index: int) -> int:
        """Register *index*."""
        return self.regs[index]

    def set_reg(self, index: int, value: int) -> None:
        """Write register *index*."""
        self.regs[index] = value & self.registers.mask

    def get_vec(self, index: int) -> int:
        """Vector register *index*."""
        return self.vecs[index]

    def set_vec(self, index: int, value: int) -> None:
        """Write vector register *index*."""
        self.vecs[index] = value

    def single_step(self, on: bool) -> None:
        """Report the next completed instruction."""
        self.stepping = on

    def work(self) -> int:
        """The test says what was executed."""
        return self.executed

    def clock(self) -> int:
        """Ticks of the machine."""
        return self.space.machine.ticks

    def cpu(self) -> int:
        """Always the first."""
        return 0

    # --- what a script does ------------------------------------------------------------------------

    @property
    def pc(self) -> int:
        """Where it is."""
        return self.regs[self.registers.pc]

    @pc.setter
    def pc(self, value: int) -> None:
        self.set_reg(self.registers.pc, value)

    @property
    def sp(self) -> int:
        """Its stack pointer."""
        return self.regs[self.registers.sp]

    @sp.setter
    def sp(self, value: int) -> None:
        self.set_reg(self.registers.sp, value)

    @property
    def link(self) -> int:
        """Its link register."""
        assert self.registers.link is not None
        return self.regs[self.registers.link]

    @link.setter
    def link(self, value: int) -> None:
        assert self.registers.link is not None
        self.set_reg(self.registers.link, value)

    def call(self, function: int, return_address: int) -> None:
        """Be at the first instruction of *function*, as after a call whose return address is that."""
        self.link = return_address
        self.pc = function

    def send(self, signal: str) -> None:
        """Make an asynchronous signal pending."""
        self.pending.append(signal)

    def run_until(self, address: int, limit: int = 1000) -> None:
        """Go on until PC is *address*, nothing of it executed; AssertionError after *limit* events."""
        for _ in range(limit):
            if self.pc == address and not self.stepping:
                return
            self.go()
        raise AssertionError(f"{address:#x} was not reached, pc is {self.pc:#x}")

    def arrive(self, address: int) -> None:
        """Like :meth:`run_until`, and the watch on *address* fires, as it does before an execution."""
        self.run_until(address)
        if self.space.watches[address] > 0:
            self.space.machine.handler.on_watch(self, address)

    def execute(self) -> None:
        """Complete the instruction at PC, whatever number of traps and steps that takes."""
        here = self.pc
        for _ in range(100):
            self.go()
            if not self.stepping and (self.pc != here or self.delivered):
                return
        raise AssertionError(f"no progress at {here:#x}")

    def go(self) -> None:
        """One event: a signal, a watch and an inline hook as they come, a trap, or one instruction."""
        machine = self.space.machine
        machine.tick()
        if self.pending and machine.handler.may_deliver_signal(self):
            self._deliver(self.pending.pop(0), 0)
            return
        pc = self.pc
        if not self.stepping:
            if self.space.watches[pc] > 0:
                machine.handler.on_watch(self, pc)
            if pc in self.space.inline:
                machine.handler.on_inline(self, pc)
            if self.pc != pc:
                return
        self._execute_at(pc)

    def _execute_at(self, pc: int) -> None:
        handler = self.space.machine.handler
        try:
            insn = Instruction(self.space.fetch(pc))
            if insn.op is not Op.BRK:
                self._do(insn, pc)
        except MemoryFault as fault:
            self._fault(Fault(fault.kind, pc, fault.address, fault.access))
            return
        except _UndefinedError:
            self._fault(Fault(FaultKind.UNDEFINED, pc, pc))
            return
        if insn.op is Op.BRK:
            self._trap(pc)
        elif self.stepping:
            handler.on_step_done(self)

    def _trap(self, pc: int) -> None:
        answer = self.space.machine.handler.on_trap(self, pc)
        if answer is TrapResult.NOT_OURS:
            self._deliver("SIGTRAP", self.pc)
        elif isinstance(answer, Fault):
            self._deliver(_SIGNAL[answer.kind], answer.address)

    def _fault(self, fault: Fault) -> None:
        given: Fault | None = fault
        if self.stepping:
            given = self.space.machine.handler.on_step_fault(self, fault)
        if given is not None:
            self._deliver(_SIGNAL[given.kind], given.address)

    def _deliver(self, signal: str, address: int) -> None:
        self.delivered.append((signal, self.pc, address))
        if self.on_signal is not None:
            self.on_signal(self)

    def _do(self, insn: Instruction, pc: int) -> None:
        """What the instruction does; PC last."""
        next_pc = pc + insn.size
        args, width = self.args, self.registers.width
        if insn.op is Op.ADD:
            args[0] += insn.operand
        elif insn.op in {Op.LOAD, Op.SLOAD}:
            args[1] = int.from_bytes(self.process.read(args[insn.operand], width), "little")
        elif insn.op is Op.STORE:
            self.process.write(args[insn.operand], args[1].to_bytes(width, "little"))
        elif insn.op is Op.JUMP:
            next_pc = pc + insn.displacement
        elif insn.op is Op.RET:
            next_pc = self.link
        elif insn.op not in {Op.NOP, Op.PRIV, Op.MONITOR}:
            raise _UndefinedError
        self.pc = next_pc
