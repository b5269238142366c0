"""Simulators of the instructions whose effect depends on their own address.

A *builder* takes the 32-bit encoding and returns the simulator: a function of
registers, memory and the instruction's address that does what the instruction
does, PC included, and nothing else.  Fields are extracted when the probe is
placed, not per hit.

Conventions of the Arm manual that all of them share: register 31 reads as zero
and ignores writes; W forms use and write the low half, zero-extended; targets
wrap modulo 2**64.
"""

from __future__ import annotations

from collections.abc import Callable

from uprobe_arm64.registers import Register
from uprobe_arm64.simulate_load import LOAD_BUILDERS
from uprobe_core.types import GuestMemory, RegisterFile, Simulator

__all__ = ("BUILDERS", "condition_holds")

PC = Register.PC
PSTATE = Register.PSTATE
LINK = 30
WORD64 = (1 << 64) - 1
PAGE = 0xFFF


def sign_extend(value: int, bits: int) -> int:
    """The signed number that the low *bits* bits of *value* hold."""
    sign = 1 << (bits - 1)
    return (value & (sign - 1)) - (value & sign)


def branch_offset(word: int, low: int, bits: int) -> int:
    """The byte offset in the *bits*-wide field of *word* that starts at bit *low*; it counts words."""
    return sign_extend(word >> low, bits) * 4


def read_x(regs: RegisterFile, index: int) -> int:
    """X register *index*, with 31 reading as zero."""
    return 0 if index == 31 else regs.get_reg(index)


def condition_holds(condition: int, pstate: int) -> bool:
    """Whether the 4-bit *condition* holds for the flags in *pstate* (Arm ARM, ConditionHolds)."""
    n, z, c, v = (bool(pstate >> bit & 1) for bit in (31, 30, 29, 28))
    result = (z, c, n, v, c and not z, n == v, n == v and not z, True)[condition >> 1]
    # 1111 is "always" as well: the inversion by bit 0 leaves it out.
    return not result if condition & 1 and condition != 0b1111 else result


def _nop(word: int) -> Simulator:
    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        regs.set_reg(PC, address + 4 & WORD64)

    return simulate


def _b(word: int) -> Simulator:
    offset = branch_offset(word, 0, 26)

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        regs.set_reg(PC, address + offset & WORD64)

    return simulate


def _bl(word: int) -> Simulator:
    offset = branch_offset(word, 0, 26)

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        regs.set_reg(LINK, address + 4 & WORD64)
        regs.set_reg(PC, address + offset & WORD64)

    return simulate


def _b_cond(word: int) -> Simulator:
    offset, condition = branch_offset(word, 5, 19), word & 0xF

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        taken = condition_holds(condition, regs.get_reg(PSTATE))
        regs.set_reg(PC, address + (offset if taken else 4) & WORD64)

    return simulate


def _compare_and_branch(word: int, *, on_zero: bool) -> Simulator:
    offset, index = branch_offset(word, 5, 19), word & 31
    used = WORD64 if word >> 31 else 0xFFFF_FFFF

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        taken = (read_x(regs, index) & used == 0) is on_zero
        regs.set_reg(PC, address + (offset if taken else 4) & WORD64)

    return simulate


def _cbz(word: int) -> Simulator:
    return _compare_and_branch(word, on_zero=True)


def _cbnz(word: int) -> Simulator:
    return _compare_and_branch(word, on_zero=False)


def _test_and_branch(word: int, *, on_set: int) -> Simulator:
    offset, index = branch_offset(word, 5, 14), word & 31
    bit = word >> 26 & 0x20 | word >> 19 & 0x1F

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        taken = read_x(regs, index) >> bit & 1 == on_set
        regs.set_reg(PC, address + (offset if taken else 4) & WORD64)

    return simulate


def _tbz(word: int) -> Simulator:
    return _test_and_branch(word, on_set=0)


def _tbnz(word: int) -> Simulator:
    return _test_and_branch(word, on_set=1)


def _br(word: int) -> Simulator:
    """BR and RET."""
    index = word >> 5 & 31

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        regs.set_reg(PC, read_x(regs, index))

    return simulate


def _blr(word: int) -> Simulator:
    index = word >> 5 & 31

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        # The target is read first: in "blr x30" it is the register that is overwritten.
        target = read_x(regs, index)
        regs.set_reg(LINK, address + 4 & WORD64)
        regs.set_reg(PC, target)

    return simulate


def _address_of(word: int, shift: int, ignored: int) -> Simulator:
    offset = sign_extend(word >> 3 & 0x1F_FFFC | word >> 29 & 3, 21) << shift
    index = word & 31

    def simulate(regs: RegisterFile, memory: GuestMemory, address: int) -> None:
        if index != 31:
            regs.set_reg(index, (address & ~ignored) + offset & WORD64)
        regs.set_reg(PC, address + 4 & WORD64)

    return simulate


def _adr(word: int) -> Simulator:
    return _address_of(word, 0, 0)


def _adrp(word: int) -> Simulator:
    return _address_of(word, 12, PAGE)


BUILDERS: dict[str, Callable[[int], Simulator]] = {
    "adr": _adr,
    "adrp": _adrp,
    "b": _b,
    "b_cond": _b_cond,
    "bl": _bl,
    "blr": _blr,
    "br": _br,
    "cbnz": _cbnz,
    "cbz": _cbz,
    "nop": _nop,
    "tbnz": _tbnz,
    "tbz": _tbz,
    **LOAD_BUILDERS,
}
"""Builders by the name that rows of the decode table give."""
