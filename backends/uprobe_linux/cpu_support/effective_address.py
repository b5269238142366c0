"""Which address a load, store or cache instruction accesses first.

An emulator tells the page of a refused access; the siginfo wants the byte.
Encodings: Arm ARM C4.1.94 (loads and stores), C4.1.93 (system instructions).
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("access_bytes", "effective_address")

_MASK = (1 << 64) - 1
Reader = Callable[[int], int]


def _signed(value: int, bits: int) -> int:
    return (value ^ 1 << (bits - 1)) - (1 << (bits - 1))


def effective_address(word: int, pc: int, get_reg: Reader) -> int | None:
    """The lowest address that *word* at *pc* accesses, None if it is no memory access.

    :param get_reg: 0-30 x0-x30, 31 SP
    """
    if word >> 22 == 0b1101010100 and word >> 19 & 7 == 0b001:  # SYS: DC ZVA and relatives
        register = word & 31
        return 0 if register == 31 else get_reg(register)
    if word >> 27 & 1 == 0 or word >> 25 & 1:
        return None
    kind = word >> 28 & 3
    if kind == 0b01 and word >> 24 & 1 == 0:  # literal: xx 011 x 00
        return (pc + 4 * _signed(word >> 5 & 0x7_FFFF, 19)) & _MASK
    base = get_reg(word >> 5 & 31)
    if kind == 0b00:  # exclusive, ordered, compare and swap; vector structures
        return base
    if kind == 0b01:  # xx 011 x 01: LDAPUR, STLUR
        return (base + _signed(word >> 12 & 0x1FF, 9)) & _MASK
    if kind == 0b10:
        return (base + _pair_offset(word)) & _MASK
    return (base + _register_offset(word, get_reg)) & _MASK


def access_bytes(word: int) -> int:
    """How many bytes *word*, a load or store, accesses from its effective address on; never too few.

    64 stands for vector structures and DC ZVA, whose block is aligned.
    """
    kind, is_vector = word >> 28 & 3, word >> 26 & 1
    if word >> 22 == 0b1101010100 or (kind == 0b00 and is_vector):
        return 64
    if kind == 0b10:
        return 2 << _pair_scale(word)
    if kind == 0b11:
        return 1 << _scale(word)
    return 16


def _pair_scale(word: int) -> int:
    """log2 of the size of one register of a pair."""
    size = word >> 30
    return size + 2 if word >> 26 & 1 else (3 if size == 2 else 2)


def _pair_offset(word: int) -> int:
    if word >> 23 & 3 == 0b01:  # post-indexed
        return 0
    return _signed(word >> 15 & 0x7F, 7) << _pair_scale(word)


def _register_offset(word: int, get_reg: Reader) -> int:
    scale = _scale(word)
    if word >> 24 & 1:
        return (word >> 10 & 0xFFF) << scale
    mode = word >> 10 & 3
    if not word >> 21 & 1:
        return 0 if mode == 0b01 else _signed(word >> 12 & 0x1FF, 9)
    if mode != 0b10:  # atomic operations
        return 0
    return _extended(word, get_reg) << (scale if word >> 12 & 1 else 0)


def _scale(word: int) -> int:
    """log2 of the access size; 128-bit vectors have size 00 and opc<1> set."""
    if word >> 26 & 1 and word >> 23 & 1:
        return 4
    return word >> 30


def _extended(word: int, get_reg: Reader) -> int:
    register = word >> 16 & 31
    value = 0 if register == 31 else get_reg(register)
    option = word >> 13 & 7
    if option == 0b010:  # UXTW
        return value & 0xFFFF_FFFF
    if option == 0b110:  # SXTW
        return _signed(value & 0xFFFF_FFFF, 32)
    return value
