"""Random arm64 programs: functions of random instructions that call each other, and a dump at the end.

Encodings: Arm ARM C4.1 and C6.2.  A program calls its first function a few
times, writes x0 to x15 and the flags to standard output, and exits with 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from uprobe_core.testing.tiny_elf import TEXT, TinyProgram

__all__ = ("RandomProgram", "programs")

Words = list[int]
NOP, RET = 0xD503201F, 0xD65F03C0
DUMPED = 16
"""Registers that bodies use and the dump shows."""


@dataclass(frozen=True)
class RandomProgram:
    """A program and where it may be probed.

    :param elf: the file
    :param functions: file offsets of the functions' first instructions
    :param places: file offsets of instructions
    """

    elf: bytes
    functions: tuple[int, ...]
    places: tuple[int, ...]

    def __repr__(self) -> str:
        words = [self.elf[at : at + 4] for at in range(TEXT, len(self.elf), 4)]
        text = " ".join(f"{int.from_bytes(word, 'little'):08x}" for word in words)
        return f"RandomProgram({text}, functions={self.functions})"


register = st.integers(0, DUMPED - 1)


def _three(base: int) -> st.SearchStrategy[Words]:
    """An instruction with Rd, Rn and Rm."""
    return st.builds(lambda d, n, m: [base | d | n << 5 | m << 16], register, register, register)


def _two(base: int, bits: int, shift: int) -> st.SearchStrategy[Words]:
    """An instruction with Rd, Rn and an immediate of so many bits."""
    immediate = st.integers(0, (1 << bits) - 1)
    return st.builds(lambda d, n, i: [base | d | n << 5 | i << shift], register, register, immediate)


def _skipping(branch: Callable[[int, int], int]) -> st.SearchStrategy[Words]:
    """A conditional branch over one to three instructions."""
    body = st.lists(st.one_of(_three(0x8B000000), _three(0xCA000000)), min_size=1, max_size=3)
    return st.builds(lambda r, parts: [branch(r, len(parts) + 1), *(p[0] for p in parts)], register, body)


def _loop(times: int, inner: list[Words]) -> Words:
    """mov x16, #times; inner; subs x16, x16, #1; b.ne."""
    body = [word for words in inner for word in words]
    back = -(len(body) + 1) & 0x7FFFF
    return [0xD2800010 | times << 5, *body, 0xF1000610, 0x54000001 | back << 5]


def _literal(target: int, value: int) -> Words:
    """ldr xN, value, with the value behind a branch over it."""
    return [0x58000040 | target, 0x14000003, value & 0xFFFFFFFF, value >> 32]


PLAIN = st.one_of(
    _three(0x8B000000),  # add
    _three(0xCB000000),  # sub
    _three(0xAB000000),  # adds
    _three(0xEB000000),  # subs
    _three(0xCA000000),  # eor
    _three(0x9B007C00),  # mul
    _three(0x1AC02000),  # lslv (32-bit)
    _three(0x9A800000),  # csel, eq
    _three(0x9A8BB400),  # csinc, lt
    _two(0x91000000, 12, 10),  # add, immediate
    _two(0xD3400000, 6, 16),  # ubfm
    st.builds(lambda d, i: [0xF2800000 | d | i << 5], register, st.integers(0, 0xFFFF)),  # movk
    st.builds(lambda d: [0x10000000 | d], register),  # adr xN, .
    st.builds(lambda d: [0x90000000 | d], register),  # adrp xN, .
    st.builds(lambda d: [0xF90003E0 | d | 2 << 10], register),  # str xN, [sp, #16]
    st.builds(lambda d: [0xF94003E0 | d | 2 << 10], register),  # ldr xN, [sp, #16]
    st.builds(lambda d: [0xB98003E0 | d | 5 << 10], register),  # ldrsw xN, [sp, #20]
    st.builds(lambda d, s: [0xA90103E0 | d | s << 10], register, register),  # stp xN, xM, [sp, #16]
    st.builds(lambda d: [0x9E670000 | d << 5, 0x4EE08400, 0x9E660000 | d], register),  # fmov, add 2d, fmov
    st.builds(lambda d: [0xD53B4200 | d], register),  # mrs xN, nzcv
    st.just([NOP]),
)
BRANCHES = st.one_of(
    _skipping(lambda r, n: 0xB4000000 | r | n << 5),  # cbz
    _skipping(lambda r, n: 0x35000000 | r | n << 5),  # cbnz, 32-bit
    _skipping(lambda r, n: 0x37000000 | r | n << 5 | (r & 7) << 19),  # tbnz
    _skipping(lambda r, n: 0x54000000 | r % 14 | n << 5),  # b.cond
    _skipping(lambda _, n: 0x14000000 | n),  # b
    st.builds(_loop, st.integers(1, 4), st.lists(PLAIN, max_size=3)),
    st.builds(lambda: [0xD2800F88, 0xD4000001]),  # mov x8, #124; svc #0 (sched_yield)
)
LITERALS = st.builds(_literal, register, st.integers(0, (1 << 64) - 1))
CALL, INDIRECT, TAIL = "bl", "blr", "b"

part = st.one_of(PLAIN, PLAIN, PLAIN, BRANCHES, LITERALS, st.sampled_from([CALL, INDIRECT]))
body = st.tuples(st.lists(part, min_size=1, max_size=9), st.booleans(), st.booleans())
"""(parts, whether it is a leaf without a frame, whether it ends in a tail call)."""


class _Assembler:
    """Words, and what is to be filled in when all functions are placed."""

    def __init__(self) -> None:
        self.words: Words = []
        self.places: list[int] = []
        self.starts: list[int] = []
        self._calls: list[tuple[int, int, int]] = []

    def put(self, *words: int, probed: bool = True) -> None:
        if probed:
            self.places += range(len(self.words), len(self.words) + len(words))
        self.words += words

    def branch(self, base: int, function: int) -> None:
        self._calls.append((len(self.words), base, function))
        self.put(base)

    def function(self, parts: list[Words | str], *, leaf: bool, tail: bool, after: list[int]) -> None:
        self.starts.append(len(self.words))
        calls = [p for p in parts if isinstance(p, str)]
        framed = not leaf or (bool(calls) and bool(after))
        enter = [0xA9BD7BFD, 0x910003FD] if framed else [0xD10083FF]
        self.put(*enter)  # stp x29, x30, [sp, #-48]!; mov x29, sp, or sub sp, sp, #32
        self.put(0xA9017FFF)  # stp xzr, xzr, [sp, #16]: nothing of an earlier call is seen
        for number, what in enumerate(parts):
            if not isinstance(what, str):
                self._body(what)
            elif after and framed:
                self._call(what, after[number % len(after)])
        self.put(*([0xA8C37BFD] if framed else [0x910083FF]))  # ldp x29, x30, [sp], #48 or add sp
        if tail and after:
            self.branch(0x14000000, after[0])
        else:
            self.put(RET)

    def _body(self, words: Words) -> None:
        """Data behind a literal load and system calls are not probed."""
        literal = len(words) == 4 and words[0] >> 24 == 0x58 and words[1] == 0x14000003
        self.put(*words[:2], probed=words[-1] != 0xD4000001)
        self.put(*words[2:], probed=not literal)

    def _call(self, kind: str, function: int) -> None:
        if kind == CALL:
            self.branch(0x94000000, function)
            return
        self._calls.append((len(self.words), 0x10000011, function))  # adr x17
        self.put(0x10000011, 0xD63F0220)  # blr x17

    def resolve(self) -> None:
        for at, base, function in self._calls:
            distance = self.starts[function] - at
            if base >> 24 == 0x10:
                self.words[at] = base | (distance & 0x7FFFF) << 5
            else:
                self.words[at] = base | distance & 0x3FFFFFF


def _start(rounds: int, seeds: list[int]) -> Words:
    """Load the registers and the loop count; clear the flags, which a kernel does but qemu-user does not."""
    words = [0xD2800000 | number | seed << 5 for number, seed in enumerate(seeds)]
    return [*words, 0xD2800013 | rounds << 5, 0xD51B421F]  # mov x19, #rounds; msr nzcv, xzr


def _end(size: int) -> Words:
    """Behind the call loop: store x0 to x15 and the flags, write them, exit."""
    stores = [0xF90003E0 | n | n << 10 for n in range(DUMPED)]  # str xN, [sp, #8 * N]
    flags = [0xD53B4200, 0xF90003E0 | DUMPED << 10]  # mrs x0, nzcv; str x0, [sp, #128]
    write = [0xD2800020, 0x910003E1, 0xD2800002 | size << 5, 0xD2800808, 0xD4000001]
    leave = [0xD2800000, 0xD2800BC8, 0xD4000001]
    return [*stores, *flags, *write, *leave]


def _assemble(
    bodies: list[tuple[list[Words | str], bool, bool]], rounds: int, seeds: list[int]
) -> RandomProgram:
    asm = _Assembler()
    asm.put(*_start(rounds, seeds), probed=False)
    loop = len(asm.words)
    asm.put(0xD10283FF, probed=False)  # sub sp, sp, #160
    asm.branch(0x94000000, 0)
    asm.put(0x910283FF, 0xF1000673, probed=False)  # add sp, sp, #160; subs x19, x19, #1
    asm.put(0x54000001 | (loop - len(asm.words) & 0x7FFFF) << 5, probed=False)
    asm.put(0xD10283FF, *_end(8 * (DUMPED + 1)), probed=False)
    for number, (parts, leaf, tail) in enumerate(bodies):
        asm.function(parts, leaf=leaf, tail=tail, after=list(range(number + 1, len(bodies))))
    asm.resolve()
    elf = TinyProgram(asm.words, {"_start": 0}, writable_text=True).elf()
    return RandomProgram(
        elf, tuple(TEXT + 4 * at for at in asm.starts), tuple(TEXT + 4 * at for at in asm.places)
    )


programs = st.builds(
    _assemble,
    st.lists(body, min_size=1, max_size=4),
    st.integers(1, 6),
    st.lists(st.integers(0, 0xFFFF), min_size=DUMPED, max_size=DUMPED),
)
"""Programs that end within some thousand instructions."""
