"""Where Rust has parameters and results: one or two numbers in registers, what is larger behind a pointer.

The convention is not written down; it is what rustc 1.63, 1.85 and 1.95 make
of a signature in LLVM's language: a value that is one number, or two, is passed
as these; other values of up to eight bytes as one number; anything else is
where a pointer points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uprobe_core.architecture import Registers
from uprobe_core.debuginfo.places import Const, InMemory, InRegister, InVector, Place, load, spread
from uprobe_core.debuginfo.types import Kind, Member, Type
from uprobe_core.event_model import FetchOp, OpCode

__all__ = ("parameter_places", "result_places")

_WORD = 8
_VECTORS = 8
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A number at a byte of a value.

    :param word: what registers hold it: "f" floating point ones, "p" for a pointer, "i" for a number
    """

    at: int
    size: int
    word: str


def parameter_places(mixed: bool, types: Sequence[Type], registers: Registers) -> list[Place]:
    """Where parameters of *types* are at the first instruction.

    :param mixed: whether variants with a number and those with a pointer share a register
    """
    taken = _Taken(registers)
    return [_parameter(mixed, each, taken) for each in types]


def result_places(
    mixed: bool,
    types: Sequence[Type],
    _parameters: Sequence[Type],
    registers: Registers,
    indirect: Callable[[], Place],
) -> list[Place]:
    """Where the results of *types* are behind the call.

    :param indirect: what x8 has pointed to at the entry
    """
    return [_result(mixed, each, _Taken(registers), indirect) for each in types]


def _parameter(mixed: bool, kind: Type, taken: _Taken) -> Place:
    if not kind.size:
        return Const(b"")
    parts = _passed(kind, mixed)
    return taken.pointer() if parts is None else _spread(parts, kind, taken)


def _result(mixed: bool, kind: Type, taken: _Taken, indirect: Callable[[], Place]) -> Place:
    if not kind.size:
        return Const(b"")
    parts = _passed(kind, mixed)
    return indirect() if parts is None else _spread(parts, kind, taken)


def _spread(parts: Sequence[_Scalar], kind: Type, taken: _Taken) -> Place:
    return spread([place for part in parts for place in taken.places(part)], kind.size)


class _Taken:
    """Which registers are taken, and how much of the stack."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._general = self._floats = self._stack = 0

    def places(self, part: _Scalar) -> list[tuple[int, Place]]:
        """The next free place for *part*, by byte; two for what is wider than a register."""
        if part.word == "f":
            self._floats += 1
            return [(part.at, InVector(self._floats - 1) if self._floats <= _VECTORS else self._slot())]
        words = (part.size + _WORD - 1) // _WORD
        self._general += self._general & 1 if words == 2 else 0
        if self._general + words > len(self._registers.arguments):
            self._general = len(self._registers.arguments)
            self._stack += self._stack & 1 if words == 2 else 0
            return [(part.at + _WORD * word, self._slot()) for word in range(words)]
        self._general += words
        numbers = self._registers.arguments[self._general - words : self._general]
        return [(part.at + _WORD * word, InRegister(each)) for word, each in enumerate(numbers)]

    def _slot(self) -> InMemory:
        self._stack += 1
        return InMemory(load(OpCode.STACKP), _WORD * (self._stack - 1))

    def pointer(self) -> InMemory:
        """What the next free place points to."""
        place = self.places(_Scalar(0, _WORD, "p"))[0][1]
        if isinstance(place, InRegister):
            return InMemory(load(OpCode.REG, place.number))
        assert isinstance(place, InMemory)
        return InMemory((*place.ops, FetchOp(OpCode.DEREF, place.offset)))


def _passed(kind: Type, mixed: bool) -> list[_Scalar] | None:
    """What is passed of a value; None: a pointer to it."""
    found = _scalars(kind, mixed, 0)
    if found is None and kind.size <= _WORD:
        return [_Scalar(0, kind.size, "i")]
    return found


def _scalars(kind: Type, mixed: bool, depth: int) -> list[_Scalar] | None:
    """The one or two numbers that a value is made of; None if it is made of something else."""
    if kind.is_number:
        word = {Kind.FLOAT: "f", Kind.POINTER: "p"}.get(kind.kind, "i")
        return [_Scalar(0, kind.size, word)]
    if depth > _DEEPEST or kind.kind not in (Kind.STRUCT, Kind.UNION):
        return None
    if kind.variants:
        return _of_variants(kind, mixed, depth)
    parts = [each for each in kind.members if each.type.size]
    if kind.kind is Kind.UNION:
        different = {tuple(_scalars(each.type, mixed, depth + 1) or ()) for each in parts}
        return list(different.pop()) or None if len(different) == 1 else None
    return _of_parts(kind, parts, mixed, depth)


def _of_parts(kind: Type, parts: Sequence[Member], mixed: bool, depth: int) -> list[_Scalar] | None:
    inner = [_scalars(each.type, mixed, depth + 1) for each in parts]
    if len(parts) == 1:
        return inner[0] if not parts[0].bit and parts[0].type.size == kind.size else None
    if len(parts) != 2 or any(each is None or len(each) != 1 for each in inner):
        return None
    found = [
        _Scalar(part.bit // 8, each[0].size, each[0].word)
        for part, each in zip(parts, inner, strict=True)
        if each
    ]
    return sorted(found, key=lambda each: each.at)


def _of_variants(kind: Type, mixed: bool, depth: int) -> list[_Scalar] | None:
    """Of an enumeration whose values have something in them: its number and what all have at one place."""
    variants = [each.member.type for each in kind.variants]
    if kind.discriminant is None or any(each.value is None for each in kind.variants):
        return _of_largest(kind, variants, mixed, depth)
    tag = _Scalar(kind.discriminant.bit // 8, kind.discriminant.type.size, "i")
    if tag.size == kind.size:
        return [tag]
    found: set[tuple[int, int, str]] = set()
    for each in variants:
        parts = [part for part in each.members if part.type.size]
        inner = [_scalars(part.type, mixed, depth + 1) for part in parts]
        if len(parts) > 1 or any(one is None or len(one) != 1 for one in inner):
            return None
        found |= {
            (part.bit // 8, one[0].size, one[0].word) for part, one in zip(parts, inner, strict=True) if one
        }
    if mixed and len(found) > 1:
        found = {(at, size, word.replace("p", "i")) for at, size, word in found}
    return sorted([tag, _Scalar(*found.pop())], key=lambda each: each.at) if len(found) == 1 else None


def _of_largest(kind: Type, variants: Sequence[Type], mixed: bool, depth: int) -> list[_Scalar] | None:
    """Of one whose number is a value that its largest variant does not use."""
    full = [each for each in variants if any(part.type.size for part in each.members)]
    if len(full) != 1:
        return None
    return _of_parts(kind, [part for part in full[0].members if part.type.size], mixed, depth)
