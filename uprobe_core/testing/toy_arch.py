"""A toy architecture: ten instructions, so that the core is tested without an emulator or a decoder.

A word is little endian; its top byte is the opcode, the low 24 bits are the
operand.  Register conventions are arm64's (x30 is the link register), so that
the return strategies see what they see in real life.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.types import Analysis, GuestMemory, Policy, Register, RegisterFile, Verdict
from uprobe_core.utask import POISONED_FAULT_CODE

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("SWBP", "Op", "ToyArch", "encode")

LINK: Final = 30
_OPERAND: Final = 0xFF_FFFF


class Op(enum.IntEnum):
    """Opcodes.  Anything else is an undefined instruction."""

    NOP = 1
    ADD = 2
    """x0 += operand."""
    LOAD = 3
    """x1 = the 64-bit word at the address in x[operand]; stepped, so it can fault in a slot."""
    STORE = 4
    """The 64-bit word at the address in x[operand] = x1."""
    JUMP = 5
    """PC += operand (24 bits, signed, bytes); depends on PC, so it is simulated."""
    SLOAD = 6
    """Like LOAD, but simulated."""
    BRK = 7
    """A trap; operand 5 is the one that the core uses."""
    RET = 8
    """PC = x30; simulated."""
    PRIV = 9
    """Does nothing; policy=kernel refuses it."""
    MONITOR = 10
    """Does nothing, but runs only at its own address."""


def encode(op: Op, operand: int = 0) -> bytes:
    """The four bytes of an instruction; *operand* is taken modulo 2**24."""
    return (int(op) << 24 | operand & _OPERAND).to_bytes(4, "little")


SWBP: Final = encode(Op.BRK, 5)


def operand_of(word: int) -> int:
    """The unsigned operand."""
    return word & _OPERAND


def displacement(word: int) -> int:
    """The operand as a signed number."""
    value = word & _OPERAND
    return value - (1 << 24) if value >> 23 else value


def _simulate_jump(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
    word = int.from_bytes(memory.read(address, 4), "little")
    regs.set_reg(Register.PC, address + displacement(word))


def _simulate_ret(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
    regs.set_reg(Register.PC, regs.get_reg(LINK))


def _simulate_load(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
    word = int.from_bytes(memory.read(address, 4), "little")
    data = memory.read(regs.get_reg(operand_of(word)), 8)
    regs.set_reg(1, int.from_bytes(data, "little"))
    regs.set_reg(Register.PC, address + 4)


_SIMULATORS = {Op.JUMP: _simulate_jump, Op.RET: _simulate_ret, Op.SLOAD: _simulate_load}


class ToyArch:
    """The arch plugin of the toy: the same operations as arm64's, in the same order."""

    name = "toy"

    @hookimpl
    def swbp_insn(self) -> bytes:
        """BRK 5."""
        return SWBP

    @hookimpl
    def slot_bytes(self) -> int:
        """One instruction."""
        return 4

    @hookimpl
    def register_index(self, name: str) -> int | None:
        """x0 to x30, sp and pc."""
        names = {**{f"x{n}": n for n in range(31)}, "sp": int(Register.SP), "pc": int(Register.PC)}
        return names.get(name)

    @hookimpl
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """The verdict by opcode."""
        word = int.from_bytes(insn[:4], "little")
        try:
            op = Op(word >> 24)
        except ValueError:
            return Analysis(word, Verdict.STEP, "undefined", "faults wherever it runs", special="trap")
        if address % 4:
            return Analysis(word, Verdict.REJECT, op.name, "the address is misaligned", "EINVAL")
        if op is Op.BRK and policy.is_kernel:
            return Analysis(word, Verdict.REJECT, op.name, "a trap is there already", "ENOTSUPP")
        if op is Op.PRIV and policy.is_kernel:
            return Analysis(word, Verdict.REJECT, op.name, "the kernel refuses it", "EINVAL")
        if op in _SIMULATORS:
            return Analysis(word, Verdict.SIMULATE, op.name, "depends on PC", simulate=_SIMULATORS[op])
        special = {Op.BRK: "trap", Op.MONITOR: "in-place"}.get(op, "")
        return Analysis(word, Verdict.STEP, op.name, "runs anywhere", special=special)

    @hookimpl
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> bool:
        """Simulate what the verdict says to simulate."""
        if analysis.simulate is None:
            return False
        analysis.simulate(task, task.process, utask.vaddr)
        return True

    @hookimpl
    def xol_copy(self, process: Process, slot: int, analysis: Analysis) -> bool:
        """Write the word if the slot holds another."""
        insn = analysis.word.to_bytes(4, "little")
        if process.read(slot, 4) == insn:
            return False
        process.write_slot(slot, insn)
        return True

    @hookimpl
    def xol_flush(self, process: Process, slot: int) -> bool:
        """Forget what was translated there."""
        process.flush(slot, 4)
        return True

    @hookimpl
    def pre_xol(self, task: Task, utask: Utask) -> bool:
        """Poison the fault code, go to the slot, step."""
        utask.saved_fault_code, utask.fault_code = utask.fault_code, POISONED_FAULT_CODE
        task.set_reg(Register.PC, utask.xol_vaddr)
        task.single_step(True)
        return True

    @hookimpl
    def post_xol(self, task: Task, utask: Utask) -> bool:
        """Go on behind the probed instruction."""
        utask.fault_code = utask.saved_fault_code
        task.set_reg(Register.PC, utask.vaddr + 4)
        task.single_step(False)
        return True

    @hookimpl
    def abort_xol(self, task: Task, utask: Utask) -> bool:
        """Undo pre_xol."""
        utask.fault_code = utask.saved_fault_code
        task.set_reg(Register.PC, utask.vaddr)
        task.single_step(False)
        return True

    @hookimpl
    def xol_was_trapped(self, utask: Utask) -> bool:
        """The poison is gone."""
        return utask.fault_code != POISONED_FAULT_CODE

    @hookimpl
    def hijack_return_addr(self, task: Task, trampoline: int) -> int:
        """Swap x30."""
        original = task.get_reg(LINK)
        task.set_reg(LINK, trampoline)
        return original

    @hookimpl
    def return_address(self, task: Task) -> int:
        """x30."""
        return task.get_reg(LINK)

    @hookimpl
    def is_alive(self, instance: ReturnInstance, sp: int, chained_call: bool) -> bool:
        """The stack grows down, as on arm64."""
        return sp <= instance.sp if chained_call else sp < instance.sp

    @hookimpl
    def stack_pointer(self, task: Task) -> int:
        """SP."""
        return task.get_reg(Register.SP)
