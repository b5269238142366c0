"""A toy architecture: ten instructions, so that the core is tested without an emulator or a decoder.

It is as unlike arm64 as it can be: 32-bit registers with numbers of their own (PC is 0),
instructions of two and of four bytes, a breakpoint of two.  The first byte of an instruction is its
opcode; bit 7 says that three more bytes of operand follow instead of one.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.architecture import Architecture, Registers
from uprobe_core.types import Analysis, GuestMemory, Policy, RegisterFile, Verdict
from uprobe_core.unwinding import FrameRules
from uprobe_core.utask import POISONED_FAULT_CODE

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("REGISTERS", "SWBP", "Instruction", "Op", "ToyArch", "decode", "encode", "short")

REGISTERS: Final = Registers(
    names={
        "pc": 0,
        "sp": 1,
        "ra": 2,
        **{f"a{number}": 3 + number for number in range(4)},
        **{f"s{number}": 7 + number for number in range(5)},
        "fp": 12,
        "flags": 13,
    },
    count=14,
    sp=1,
    pc=0,
    result=3,
    arguments=(3, 4, 5, 6),
    link=2,
    frame=12,
    width=4,
)
_LONG: Final = 0x80


class Op(enum.IntEnum):
    """Opcodes.  Anything else is an undefined instruction."""

    NOP = 1
    ADD = 2
    """a0 += operand."""
    LOAD = 3
    """a1 = the word at the address in a[operand]; stepped, so it can fault in a slot."""
    STORE = 4
    """The word at the address in a[operand] = a1."""
    JUMP = 5
    """PC += operand (signed, bytes); depends on PC, so it is simulated."""
    SLOAD = 6
    """Like LOAD, but simulated."""
    BRK = 7
    """A trap; operand 5 is the one that the core uses."""
    RET = 8
    """PC = ra; simulated."""
    PRIV = 9
    """Does nothing; policy=kernel refuses it."""
    MONITOR = 10
    """Does nothing, but runs only at its own address."""


_OPS: Final = {int(op): op for op in Op}


def encode(op: Op, operand: int = 0) -> bytes:
    """The four bytes of a long instruction; *operand* is taken modulo 2**24."""
    return bytes([op | _LONG]) + (operand % (1 << 24)).to_bytes(3, "little")


def short(op: Op, operand: int = 0) -> bytes:
    """The two bytes of a short instruction; *operand* is taken modulo 2**8."""
    return bytes([op, operand % (1 << 8)])


SWBP: Final = short(Op.BRK, 5)


class Instruction:
    """An instruction taken apart.

    :ivar op: None if it is undefined
    :ivar operand: unsigned
    :ivar size: bytes
    """

    def __init__(self, code: bytes) -> None:
        self.size = 4 if code[0] & _LONG else 2
        self.code = code[: self.size]
        self.operand = int.from_bytes(self.code[1:], "little")
        self.op = _OPS.get(code[0] & ~_LONG)

    @property
    def displacement(self) -> int:
        """The operand as a signed number."""
        bits = 8 * (self.size - 1)
        return self.operand - (1 << bits) if self.operand >> (bits - 1) else self.operand


def decode(memory: GuestMemory, address: int) -> Instruction:
    """The instruction at *address*; raises MemoryFault."""
    first = memory.read(address, 2)
    return Instruction(memory.read(address, 4) if first[0] & _LONG else first)


class _Simulators:
    """What the simulated instructions do."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self.of = {Op.JUMP: self._jump, Op.RET: self._ret, Op.SLOAD: self._load}

    def _jump(self, regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        regs.set_reg(self._registers.pc, address + decode(memory, address).displacement)

    def _ret(self, regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        assert self._registers.link is not None
        regs.set_reg(self._registers.pc, regs.get_reg(self._registers.link))

    def _load(self, regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        instruction, arguments = decode(memory, address), self._registers.arguments
        data = memory.read(regs.get_reg(arguments[instruction.operand]), self._registers.width)
        regs.set_reg(arguments[1], int.from_bytes(data, "little"))
        regs.set_reg(self._registers.pc, address + instruction.size)


class ToyArch:
    """The arch plugin of the toy.

    :param registers: its registers; other ones let a test speak of registers as another
        architecture's, with the toy's instructions
    """

    name = "toy"

    def __init__(self, registers: Registers = REGISTERS) -> None:
        self.registers = registers
        self._simulators = _Simulators(registers).of

    @hookimpl
    def architecture(self) -> Architecture:
        """Instructions of two and four bytes."""
        return Architecture("toy", self.registers, SWBP, insn_sizes=(2, 4), slot_bytes=4)

    @hookimpl
    def frame_rules(self) -> FrameRules:
        """Frame records, and nothing else to go by."""
        registers = self.registers
        return FrameRules(registers, registers.count, registers.mask, lambda *_: None, lambda _code: None)

    @hookimpl
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """The verdict by opcode."""
        instruction = Instruction(insn)
        op, word = instruction.op, int.from_bytes(instruction.code, "little")
        name = "undefined" if op is None else op.name

        def ruling(verdict: Verdict, reason: str, errno_name: str = "", special: str = "") -> Analysis:
            simulate = self._simulators[op] if op is not None and verdict is Verdict.SIMULATE else None
            size = len(instruction.code)
            return Analysis(word, verdict, name, reason, errno_name, simulate, special, size=size)

        if address % 2:
            return ruling(Verdict.REJECT, "the address is misaligned", "EINVAL")
        if op is None:
            return ruling(Verdict.STEP, "faults wherever it runs", special="trap")
        if op is Op.BRK and policy.is_kernel:
            return ruling(Verdict.REJECT, "a trap is there already", "ENOTSUPP")
        if op is Op.PRIV and policy.is_kernel:
            return ruling(Verdict.REJECT, "the kernel refuses it", "EINVAL")
        if op in self._simulators:
            return ruling(Verdict.SIMULATE, "depends on PC")
        return ruling(
            Verdict.STEP, "runs anywhere", special={Op.BRK: "trap", Op.MONITOR: "in-place"}.get(op, "")
        )

    @hookimpl
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> bool:
        """Simulate what the verdict says to simulate."""
        if analysis.simulate is None:
            return False
        analysis.simulate(task, task.process, utask.vaddr)
        return True

    @hookimpl
    def xol_copy(self, process: Process, slot: int, analysis: Analysis) -> bool:
        """Write the instruction if the slot holds another."""
        insn = analysis.word.to_bytes(analysis.size, "little")
        if process.read(slot, len(insn)) == insn:
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
        task.set_reg(self.registers.pc, utask.xol_vaddr)
        task.single_step(True)
        return True

    @hookimpl
    def post_xol(self, task: Task, utask: Utask) -> bool:
        """Go on behind the probed instruction."""
        utask.fault_code = utask.saved_fault_code
        assert utask.analysis is not None
        task.set_reg(self.registers.pc, utask.vaddr + utask.analysis.size)
        task.single_step(False)
        return True

    @hookimpl
    def abort_xol(self, task: Task, utask: Utask) -> bool:
        """Undo pre_xol."""
        utask.fault_code = utask.saved_fault_code
        task.set_reg(self.registers.pc, utask.vaddr)
        task.single_step(False)
        return True

    @hookimpl
    def xol_was_trapped(self, utask: Utask) -> bool:
        """The poison is gone."""
        return utask.fault_code != POISONED_FAULT_CODE

    @hookimpl
    def hijack_return_addr(self, task: Task, trampoline: int) -> int:
        """Swap the link register."""
        assert self.registers.link is not None
        original = task.get_reg(self.registers.link)
        task.set_reg(self.registers.link, trampoline)
        return original

    @hookimpl
    def return_address(self, task: Task) -> int:
        """The link register."""
        assert self.registers.link is not None
        return task.get_reg(self.registers.link)

    @hookimpl
    def is_alive(self, instance: ReturnInstance, sp: int, chained_call: bool) -> bool:
        """The stack grows down."""
        return sp <= instance.sp if chained_call else sp < instance.sp
