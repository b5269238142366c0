"""Where execution can go after one instruction: for stepping it at its own address."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("successors",)


def _signed(value: int, bits: int) -> int:
    return (value ^ 1 << (bits - 1)) - (1 << (bits - 1))


def successors(word: int, pc: int, get_reg: Callable[[int], int]) -> tuple[int, ...]:
    """Addresses that may follow the instruction *word* at *pc* (Arm ARM C4.1.93, branches).

    :param get_reg: reads x0-x30, for branches to a register
    """
    after = pc + 4
    if word >> 26 & 0x1F == 0b00101:  # B, BL
        return (pc + 4 * _signed(word & 0x3FF_FFFF, 26),)
    if word >> 24 == 0x54 or word >> 25 & 0x3F == 0b011010:  # B.cond, BC.cond, CBZ, CBNZ
        return after, pc + 4 * _signed(word >> 5 & 0x7_FFFF, 19)
    if word >> 25 & 0x3F == 0b011011:  # TBZ, TBNZ
        return after, pc + 4 * _signed(word >> 5 & 0x3FFF, 14)
    if word >> 25 == 0b1101011:  # BR, BLR, RET and their authenticated forms
        register = word >> 5 & 31
        return (get_reg(30 if register == 31 else register),)
    return (after,)
