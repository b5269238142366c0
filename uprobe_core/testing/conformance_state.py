"""Random machine states: the layout of a state, and how one is made for an instruction.

A state is a flat little-endian buffer, so that a driver can hand it to an
emulator in one go and two states compare as bytes: 37 words of 64 bits (x0 to
x30, sp, pc, the flags in bits 31:28, fpcr, fpsr, tpidr_el0), then v0 to v31 of
128 bits each.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uprobe_core.testing.conformance_driver import Encodings

__all__ = (
    "FPCR",
    "FPSR",
    "NZCV",
    "PC",
    "SIZE",
    "SP",
    "Layout",
    "StateMaker",
    "differences",
    "register",
)

SP: Final = 31
PC: Final = 32
NZCV: Final = 33
FPCR: Final = 34
FPSR: Final = 35
WORDS: Final = 37
VECTORS: Final = 8 * WORDS
"""Byte offset of v0."""
SIZE: Final = VECTORS + 16 * 32
NAMES: Final = (*(f"x{n}" for n in range(31)), "sp", "pc", "nzcv", "fpcr", "fpsr", "tpidr")

FPCR_BITS = 0x07C8_0000  # AHP, DN, FZ, RMode, FZ16: what EL0 may set and a CPU may honour
FPSR_BITS = 0x0800_009F  # QC and the cumulative exception bits
EXTREMES = (
    0,
    1,
    (1 << 64) - 1,
    1 << 63,
    (1 << 63) - 1,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x8000_0000,
    0x7FFF_FFFF,
    0xFFFF_FFFF_8000_0000,
)
SPECIAL_VECTORS = tuple(
    bytes.fromhex(text)
    for text in (
        "00" * 16,
        "ff" * 16,
        "0000c07f" * 4,  # quiet NaN, single
        "0100807f" * 4,  # signalling NaN
        "000080ff" * 4,  # -infinity
        "01000000" * 4,  # smallest denormal
        "000000000000f07f" * 2,  # infinity, double
        "0100000000000080" * 2,  # negative denormal
        "007c" * 8,  # infinity, half
        "000000000000f03f" * 2,  # 1.0
    )
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the harness's program.

    Ranges are half open and page aligned.  *readable* follows *writable*
    without a gap; behind it, and around the text, nothing is mapped.
    """

    text: tuple[int, int]
    cases: tuple[int, int]
    """The part of the text where words under test lie; the rest holds stops."""
    writable: tuple[int, int]
    readable: tuple[int, int]

    @property
    def data(self) -> tuple[int, int]:
        """Everything that a state's pointers lead to."""
        return self.writable[0], self.readable[1]


def register(state: bytes | bytearray, index: int) -> int:
    """The 64-bit word *index* (see the names above) of *state*."""
    value: int = struct.unpack_from("<Q", state, 8 * index)[0]
    return value


def differences(before: bytes, after: bytes) -> Iterator[tuple[str, int, int]]:
    """(name, old, new) of every register that differs."""
    for index, name in enumerate(NAMES):
        old, new = register(before, index), register(after, index)
        if old != new:
            yield name, old, new
    for number in range(32):
        at = VECTORS + 16 * number
        old, new = (int.from_bytes(state[at : at + 16], "little") for state in (before, after))
        if old != new:
            yield f"v{number}", old, new


class StateMaker:
    """Makes states; the same (word, seed) always gives the same state but for the PC."""

    def __init__(self, layout: Layout, encodings: Encodings) -> None:
        self._layout = layout
        self._encodings = encodings
        self._random = random.Random()

    def make(self, word: int, pc: int, seed: int) -> bytes:
        """A state for executing *word* at *pc*."""
        rng = self._random
        rng.seed(seed << 32 | word)
        state = bytearray(rng.randbytes(SIZE))
        kinds = rng.randbytes(32)
        for index in range(31):
            self._general(state, index, kinds[index])
        self._of_the_word(state, word)
        self._special(state, pc)
        for _ in range(rng.randrange(8)):
            at = VECTORS + 16 * rng.randrange(32)
            state[at : at + 16] = rng.choice(SPECIAL_VECTORS)
        return bytes(state)

    def _set(self, state: bytearray, index: int, value: int) -> None:
        struct.pack_into("<Q", state, 8 * index, value & (1 << 64) - 1)

    def _general(self, state: bytearray, index: int, kind: int) -> None:
        if kind < 96:
            return  # random bits
        if kind < 144:
            self._set(state, index, self._random.choice(EXTREMES))
        elif kind < 192:
            self._set(state, index, self._random.randrange(-64, 64))
        else:
            self._set(state, index, self._pointer())

    def _pointer(self) -> int:
        """An address in or near the data: in its middle, or close to an edge so that accesses cross it."""
        rng, layout = self._random, self._layout
        choice = rng.random()
        if choice < 0.55:
            return rng.randrange(layout.writable[0] + 1024, layout.writable[1] - 1024) & -16
        if choice < 0.75:
            return rng.randrange(layout.writable[0], layout.readable[1])
        edge = rng.choice((layout.writable[0] + 4096, layout.writable[1], layout.readable[1], layout.data[0]))
        address = edge - rng.randrange(-8, 80)
        if choice > 0.97:
            address |= rng.randrange(256) << 56  # a tag, which EL0 may have in any address
        return address

    def _of_the_word(self, state: bytearray, word: int) -> None:
        rng, encodings = self._random, self._encodings
        for index in encodings.index_registers(word):
            if index < 31 and rng.random() < 0.8:
                self._set(state, index, rng.choice((0, 1, 2, 3, 8, 16, -1, -8)))
        for index in encodings.address_registers(word):
            if index < 31 and rng.random() < 0.9:
                self._set(state, index, self._pointer())
        target = encodings.target_register(word)
        if target is not None and target < 31 and rng.random() < 0.9:
            self._set(state, target, self._code_pointer())

    def _code_pointer(self) -> int:
        rng, layout = self._random, self._layout
        stops = rng.randrange(layout.cases[1], layout.text[1]) & -4
        return rng.choice((stops, stops, stops, stops | 2, layout.data[0], layout.text[1] + 64, 0))

    def _special(self, state: bytearray, pc: int) -> None:
        rng = self._random
        self._set(state, SP, self._pointer() & -16 if rng.random() < 0.9 else self._pointer())
        self._set(state, PC, pc)
        self._set(state, NZCV, rng.randrange(16) << 28)
        self._set(state, FPCR, register(state, FPCR) & FPCR_BITS if rng.random() < 0.5 else 0)
        self._set(state, FPSR, register(state, FPSR) & FPSR_BITS)
