"""Simulators of the load literal instructions (LDR, LDRSW; general and SIMD&FP).

The access comes before any change, so a load that faults leaves everything as
it was: the MemoryFault carries the address, and the instruction can be retried.
The data is little-endian, as EL0 code under Linux is on every arm64
distribution.
"""

from __future__ import annotations

from collections.abc import Callable

from uprobe_arm64.registers import Register
from uprobe_core.types import GuestMemory, RegisterFile, Simulator

__all__ = ("LOAD_BUILDERS",)

PC = Register.PC
WORD64 = (1 << 64) - 1


def _literal_offset(word: int) -> int:
    """The byte offset of imm19 (bits 23:5), which counts words."""
    imm19 = word >> 5 & 0x7FFFF
    return (imm19 - (imm19 >> 18 << 19)) * 4


def _general(word: int, size: int, *, signed: bool = False) -> Simulator:
    offset, index = _literal_offset(word), word & 31

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        data = memory.read(address + offset & WORD64, size)
        if index != 31:  # XZR: the access is made all the same
            regs.set_reg(index, int.from_bytes(data, "little", signed=signed) & WORD64)
        regs.set_reg(PC, address + 4 & WORD64)

    return simulate


def _vector(word: int, size: int) -> Simulator:
    offset, index = _literal_offset(word), word & 31

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        data = memory.read(address + offset & WORD64, size)
        regs.set_vec(index, int.from_bytes(data, "little"))
        regs.set_reg(PC, address + 4 & WORD64)

    return simulate


def _ldr_literal_w(word: int) -> Simulator:
    return _general(word, 4)


def _ldr_literal_x(word: int) -> Simulator:
    return _general(word, 8)


def _ldrsw_literal(word: int) -> Simulator:
    return _general(word, 4, signed=True)


def _ldr_literal_s(word: int) -> Simulator:
    return _vector(word, 4)


def _ldr_literal_d(word: int) -> Simulator:
    return _vector(word, 8)


def _ldr_literal_q(word: int) -> Simulator:
    return _vector(word, 16)


LOAD_BUILDERS: dict[str, Callable[[int], Simulator]] = {
    "ldr_literal_d": _ldr_literal_d,
    "ldr_literal_q": _ldr_literal_q,
    "ldr_literal_s": _ldr_literal_s,
    "ldr_literal_w": _ldr_literal_w,
    "ldr_literal_x": _ldr_literal_x,
    "ldrsw_literal": _ldrsw_literal,
}
