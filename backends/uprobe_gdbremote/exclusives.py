"""Load-exclusive to store-exclusive: instructions that no stop may interrupt, or the store fails for ever.

A stop clears the monitor (Arm ARM B2.9.5; a kernel does it when it returns to the program, QEMU too).  So
nothing inside is probed, and a probe on the load lets the whole sequence run before the program stops again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ("LOOK", "exits", "is_inside", "length", "words_of")

SIZE = 4
LOOK = 16
"""Instructions from the load on in which the store has to be."""


def _is_exclusive(word: int) -> bool:
    """LDXR, STXR, LDXP, STXP and their ordered forms, not CASP (Arm ARM C4.1.94)."""
    return word & 0x3F80_0000 == 0x0800_0000 and word & 0x8020_0000 != 0x0020_0000


def _is_load(word: int) -> bool:
    return bool(word >> 22 & 1)


def _leaves(word: int) -> bool:
    """B, BR, RET, SVC: what follows belongs to something else."""
    return word >> 26 == 0b000101 or word >> 25 == 0b1101011 or word & 0xFFE0_001F == 0xD400_0001


def length(words: Sequence[int]) -> int:
    """Instructions up to and with the store-exclusive, if *words* reach one in their sequence; else 0."""
    for at, word in enumerate(words):
        if _is_exclusive(word) and not _is_load(word):
            return at + 1
        if _leaves(word) or (_is_exclusive(word) and at):
            return 0
    return 0


def is_inside(before: Sequence[int], words: Sequence[int]) -> bool:
    """Whether *words* go on with a sequence whose load is among those *before* them."""
    if not words or (_is_exclusive(words[0]) and _is_load(words[0])) or not length(words):
        return False
    for word in reversed(before):
        if _is_exclusive(word):
            return _is_load(word)
        if _leaves(word):
            return False
    return False


def exits(words: Sequence[int], address: int) -> list[int]:
    """Where control may be after the sequence *words*, which begins at *address*: behind it, or a branch."""
    end = address + SIZE * len(words)
    found = {end}
    for at, word in enumerate(words):
        target = _conditional_target(word, address + SIZE * at)
        if target is not None and not address <= target < end:
            found.add(target)
    return sorted(found)


def _conditional_target(word: int, address: int) -> int | None:
    """Where B.cond, CBZ, CBNZ, TBZ or TBNZ at *address* goes (C4.1.93); None for anything else."""
    if word >> 24 == 0b0101_0100 or word >> 25 & 0x3F == 0b011010:
        return address + _signed(word >> 5 & 0x7FFFF, 19) * SIZE
    if word >> 25 & 0x3F == 0b011011:
        return address + _signed(word >> 5 & 0x3FFF, 14) * SIZE
    return None


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def words_of(data: bytes) -> list[int]:
    """*data* as instructions."""
    return [word for (word,) in struct.iter_unpack("<I", data[: len(data) & -SIZE])]
