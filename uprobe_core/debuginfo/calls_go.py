"""Where Go has parameters and results: each number of them in a register of its own, or all on the stack.

Source: "Go internal ABI specification" in the sources of the compiler, and its
"ABI0", which compilers before 1.18 used on this architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uprobe_core.architecture import Registers
from uprobe_core.debuginfo.places import Const, InMemory, InRegister, InVector, Place, load, spread
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import OpCode

__all__ = ("BY_REGISTERS", "ON_THE_STACK", "parameter_places", "result_places")

BY_REGISTERS, ON_THE_STACK = 16, 0
"""How many registers of each kind there are for values."""
_LINK = 8
"""Bytes below the values on the stack, where the callee keeps its return address."""
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class _Part:
    """A number at a byte of a value."""

    at: int
    size: int
    is_float: bool


def parameter_places(count: int, types: Sequence[Type], registers: Registers) -> list[Place]:
    """Where parameters of *types* are at the first instruction; *count* registers hold values."""
    return _Assignment(count, registers).places(types)


def result_places(
    count: int,
    types: Sequence[Type],
    parameters: Sequence[Type],
    registers: Registers,
    _indirect: Callable[[], Place],
) -> list[Place]:
    """Where results of *types* are behind the call: on the stack they follow *parameters*."""
    before = _Assignment(count, registers)
    before.places(parameters)
    after = _Assignment(count, registers, _aligned(before.stack, 8))
    return after.places(types)


class _Assignment:
    """Gives places to one value after the other.

    :param stack: how many bytes of the stack are taken
    """

    def __init__(self, count: int, registers: Registers, stack: int = 0) -> None:
        self._count, self._registers, self.stack = count, registers, stack
        self._general = self._floats = 0

    def places(self, types: Sequence[Type]) -> list[Place]:
        """The places of values of *types*."""
        return [self._place(each) for each in types]

    def _place(self, kind: Type) -> Place:
        if not kind.size:
            return Const(b"")
        parts = _parts(kind, 0, 0)
        floats = 0 if parts is None else sum(part.is_float for part in parts)
        if parts is not None and self._fits(len(parts) - floats, floats):
            return spread([(part.at, self._register(part)) for part in parts], kind.size)
        self.stack = _aligned(self.stack, _alignment(kind, 0))
        found = InMemory(load(OpCode.STACKP), _LINK + self.stack)
        self.stack += kind.size
        return found

    def _fits(self, general: int, floats: int) -> bool:
        return self._general + general <= self._count and self._floats + floats <= self._count

    def _register(self, part: _Part) -> Place:
        if part.is_float:
            self._floats += 1
            return InVector(self._floats - 1)
        self._general += 1
        return InRegister(self._registers.names[f"x{self._general - 1}"])


def _parts(kind: Type, at: int, depth: int) -> list[_Part] | None:
    """The numbers that a value is made of; None if registers cannot hold them."""
    if kind.kind is Kind.COMPLEX:
        half = kind.size // 2
        return [_Part(at, half, True), _Part(at + half, half, True)]
    if kind.is_number:
        return [_Part(at, kind.size, kind.kind is Kind.FLOAT)]
    if depth > _DEEPEST:
        return None
    if kind.kind is Kind.ARRAY:
        count = (kind.counts or [0])[0]
        return [] if not count else _parts(kind.inner, at, depth + 1) if count == 1 else None
    found: list[_Part] = []
    for member in kind.members:
        inner = _parts(member.type, at + member.bit // 8, depth + 1)
        if inner is None:
            return None
        found += inner
    return found


def _alignment(kind: Type, depth: int) -> int:
    if kind.kind is Kind.COMPLEX:
        return kind.size // 2
    if kind.is_number or depth > _DEEPEST:
        return min(max(kind.size, 1), 8)
    if kind.kind is Kind.ARRAY:
        return _alignment(kind.inner, depth + 1)
    return max((_alignment(member.type, depth + 1) for member in kind.members), default=1)


def _aligned(number: int, to: int) -> int:
    return (number + to - 1) // to * to
