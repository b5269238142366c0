"""Samples of the A64 encoding space, and which registers an instruction uses for what.

For the conformance harness and for tests: words of every row of the decode
table, systematically (each free bit alone, register 31 in each role, equal
registers, extreme immediates, all conditions) and then at random.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from uprobe_arm64.decode import find_row
from uprobe_arm64.decode_table import ROWS
from uprobe_arm64.simulate import branch_offset

if TYPE_CHECKING:
    from uprobe_arm64.rows import Row

__all__ = ("A64Encodings", "systematic")

_WHOLE: Final = 0xFFFF_FFFF
_REGISTER_FIELDS: Final = (0, 5, 10, 16)
"""Low bits of Rd/Rt, Rn, Ra/Rt2 and Rm."""
_SOME_REGISTERS: Final = (31, 30, 0)
_UNALLOCATED_SHARE: Final = 0.04
"""Of the random words: they all do the same."""
_OF_UNALLOCATED: Final = 6
"""Systematic words of an unallocated row."""


def systematic(row: Row, rng: random.Random) -> Iterator[int]:
    """Words of *row* that reach the ends of every field; *rng* fills the bits that do not matter."""
    free = ~row.mask & _WHOLE

    def word(fixed_mask: int, fixed: int) -> int:
        noise = rng.getrandbits(32) & ~fixed_mask
        return row.value | (noise | fixed) & free

    yield from (row.value, row.value | free)
    for bit in range(32):
        if free >> bit & 1:
            yield row.value | 1 << bit
            yield row.value | free & ~(1 << bit)
    for low in _REGISTER_FIELDS:
        if free >> low & 31:
            yield from (word(31 << low, number << low) for number in _SOME_REGISTERS)
    for first, second in itertools.combinations(_REGISTER_FIELDS, 2):
        number = rng.randrange(31)
        yield word(31 << first | 31 << second, number << first | number << second)
    for low in (0, 12):  # where conditions are
        if free >> low & 15 == 15:
            yield from (word(15 << low, condition << low) for condition in range(16))
    for low, size in ((5, 19), (5, 14), (10, 12), (12, 9), (15, 7), (0, 26)):
        field = (1 << size) - 1 << low
        if free & field == field:
            sign = 1 << low + size - 1
            yield from (
                word(field, value) for value in (1 << low, field, sign, field ^ sign, sign | 1 << low)
            )


def system_words(rng: random.Random) -> Iterator[int]:
    """Accesses to system registers and cache maintenance that EL0 may use: rare among random words."""
    for op1, crn, crm, op2 in _EL0_REGISTERS:
        for number in (31, rng.randrange(31), rng.randrange(31)):
            word = _mrs(op1, crn, crm, op2) | number
            yield from (word, word & ~(1 << 21))
    for op1, crn, crm, op2 in _EL0_MAINTENANCE:
        for number in (31, rng.randrange(31), rng.randrange(31)):
            yield 0xD508_0000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | number


class A64Encodings:
    """The encodings of A64 for :class:`uprobe_core.testing.conformance_driver.Encodings`."""

    stop = 0xD420_2000
    """BRK #0x100."""

    def words(self, seed: int) -> Iterator[tuple[int, str]]:
        """Endless (word, class): all systematic words in an order of the seed's, then random ones."""
        rng = random.Random(seed)
        first = [*system_words(rng)]
        for row in ROWS:
            words = list(systematic(row, rng))
            first += rng.sample(words, _OF_UNALLOCATED) if row.allocated is False else words
        rng.shuffle(first)
        for word in first:
            yield word, self.class_of(word)
        allocated = [row for row in ROWS if row.allocated is not False]
        others = [row for row in ROWS if row.allocated is False]
        while True:
            row = rng.choice(others if rng.random() < _UNALLOCATED_SHARE else allocated)
            word = row.value | rng.getrandbits(32) & ~row.mask & _WHOLE
            yield word, self.class_of(word)

    def class_of(self, word: int) -> str:
        """Group and row of *word*."""
        row = find_row(word)
        return f"{row.group}: {row.name}"

    def address_registers(self, word: int) -> tuple[int, ...]:
        """The base register of loads and stores, and what cache maintenance and MOPS take addresses from."""
        if word & 0x0A00_0000 == 0x0800_0000:
            if word & 0x3B20_0C00 == 0x1900_0400:  # MOPS: destination and source
                return word & 31, word >> 16 & 31
            return (word >> 5 & 31,)
        if word & 0xFFF8_0000 == 0xD508_0000:  # SYS
            return (word & 31,)
        return ()

    def index_registers(self, word: int) -> tuple[int, ...]:
        """Rm of the register-offset and post-indexed structure forms."""
        register_offset = word & 0x3B20_0C00 == 0x3820_0800
        structures = word & 0xBE80_0000 == 0x0C80_0000
        return (word >> 16 & 31,) if register_offset or structures else ()

    def target_register(self, word: int) -> int | None:
        """Rn of BR, BLR, RET and their authenticated forms; LR for RETAA and RETAB."""
        if word & 0xFE00_0000 != 0xD600_0000:
            return None
        return 30 if word & 0xFFFF_FBFF == 0xD65F_0BFF else word >> 5 & 31

    def direct_target(self, word: int, address: int) -> int | None:
        """Target of B, BL, B.cond, BC.cond, CBZ, CBNZ, TBZ, TBNZ; None for everything else."""
        if word & 0x7C00_0000 == 0x1400_0000:
            return address + branch_offset(word, 0, 26)
        if word & 0x7E00_0000 == 0x3400_0000 or word & 0xFF00_0000 == 0x5400_0000:
            return address + branch_offset(word, 5, 19)
        if word & 0x7E00_0000 == 0x3600_0000:
            return address + branch_offset(word, 5, 14)
        return None

    def volatile_register(self, word: int) -> int | None:
        """Rt of MRS from a counter or a random number register."""
        return word & 31 if word & 0xFFFF_FFE0 in _VOLATILE else None


def _mrs(op1: int, crn: int, crm: int, op2: int) -> int:
    """The word of MRS x0 from S3_<op1>_<crn>_<crm>_<op2>."""
    return 0xD538_0000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


_EL0_REGISTERS: Final = (
    (3, 4, 2, 0),  # NZCV
    (3, 4, 4, 0),  # FPCR
    (3, 4, 4, 1),  # FPSR
    (3, 13, 0, 2),  # TPIDR_EL0
    (3, 13, 0, 3),  # TPIDRRO_EL0
    (3, 0, 0, 1),  # CTR_EL0
    (3, 0, 0, 7),  # DCZID_EL0
    (3, 14, 0, 0),  # CNTFRQ_EL0
    (3, 14, 0, 2),  # CNTVCT_EL0
    (3, 2, 4, 0),  # RNDR
    (3, 4, 2, 5),  # DIT
    (3, 4, 2, 6),  # SSBS
    (0, 0, 0, 0),  # MIDR_EL1, which EL0 may not
)
_EL0_MAINTENANCE: Final = (
    (3, 7, 4, 1),  # DC ZVA
    (3, 7, 10, 1),  # DC CVAC
    (3, 7, 11, 1),  # DC CVAU
    (3, 7, 12, 1),  # DC CVAP
    (3, 7, 14, 1),  # DC CIVAC
    (3, 7, 5, 1),  # IC IVAU
    (0, 7, 5, 0),  # IC IALLU, which EL0 may not
)
_VOLATILE: Final = frozenset(
    (
        *(_mrs(3, 14, 0, op2) for op2 in (1, 2, 5, 6)),  # CNTPCT, CNTVCT, and their self-synchronised forms
        *(_mrs(3, 2, 4, op2) for op2 in (0, 1)),  # RNDR, RNDRRS
        _mrs(3, 9, 13, 0),  # PMCCNTR
    )
)
