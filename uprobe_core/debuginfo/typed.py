"""Numbers with a type on the stack of a DWARF expression, and their arithmetic (DWARF 5, section 2.5.1)."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from uprobe_core.types import GoneError

__all__ = ("Number", "NumberType", "binary", "unary")

_FLOATS = {2: "<e", 4: "<f", 8: "<d"}
_SHIFTS: Final[dict[int, Callable[[int, int], int]]] = {
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> min(b, 64),
    0x26: lambda a, b: a >> min(b, 64),
}
_WHOLE: Final[dict[int, Callable[[int, int], int]]] = {
    0x1A: operator.and_,
    0x21: operator.or_,
    0x27: operator.xor,
}
_ANY: Final[dict[int, Callable[[float, float], float]]] = {
    0x1C: operator.sub,
    0x1E: operator.mul,
    0x22: operator.add,
}
_COMPARE: Final[dict[int, Callable[[float, float], bool]]] = {
    0x29: operator.eq,
    0x2A: operator.ge,
    0x2B: operator.gt,
    0x2C: operator.le,
    0x2D: operator.lt,
    0x2E: operator.ne,
}


@dataclass(frozen=True, slots=True)
class NumberType:
    """A base type that fits into 64 bits.

    :param size: in bytes
    """

    size: int
    is_float: bool
    is_signed: bool

    def number(self, bits: int) -> Number:
        """The number whose bytes are *bits*."""
        bits &= (1 << 8 * self.size) - 1
        if self.is_float:
            return Number(self, struct.unpack(_FLOATS[self.size], bits.to_bytes(self.size, "little"))[0])
        sign = 1 << 8 * self.size - 1
        return Number(self, (bits ^ sign) - sign if self.is_signed else bits)

    def converted(self, value: float) -> Number:
        """*value* as a number of this type, as C converts it."""
        if self.is_float:
            return self.number(_bits(float(value), self.size))
        if isinstance(value, float) and not math.isfinite(value):
            raise GoneError("no whole number")
        return self.number(int(value))


@dataclass(frozen=True, slots=True)
class Number:
    """A number of *type*."""

    type: NumberType
    value: float

    @property
    def bits(self) -> int:
        """Its bytes as a number without a sign."""
        if self.type.is_float:
            return _bits(self.value, self.type.size)
        return int(self.value) & (1 << 8 * self.type.size) - 1


def _bits(value: float, size: int) -> int:
    try:
        data = struct.pack(_FLOATS[size], value)
    except OverflowError:
        data = struct.pack(_FLOATS[size], math.copysign(math.inf, value))
    return int.from_bytes(data, "little")


def binary(op: int, left: Number, right: Number) -> Number | int | None:
    """``left op right``: of their type, or 0 or 1 for a comparison; None for another operation."""
    if op in _COMPARE:
        return int(_COMPARE[op](left.value, right.value))
    if op in _ANY:
        return left.type.converted(_ANY[op](left.value, right.value))
    if op in (0x1B, 0x1D):
        return left.type.converted(_divided(op, left, right))
    if op in _WHOLE and not left.type.is_float:
        return left.type.converted(_WHOLE[op](int(left.value), int(right.value)))
    if op in _SHIFTS and not left.type.is_float:
        value = left.bits if op == 0x25 else int(left.value)
        return left.type.converted(_SHIFTS[op](value, int(right.value)))
    return None


def _divided(op: int, left: Number, right: Number) -> float:
    """The quotient, or what remains of it."""
    if not right.value:
        raise GoneError("division by zero")
    if left.type.is_float:
        return left.value / right.value if op == 0x1B else math.fmod(left.value, right.value)
    a, b = int(left.value), int(right.value)
    quotient = abs(a) // abs(b) * (1 if (a < 0) is (b < 0) else -1)
    return quotient if op == 0x1B else a - quotient * b


def unary(op: int, number: Number) -> Number | None:
    """``op number``; None for another operation."""
    if op == 0x19:
        return number.type.converted(abs(number.value))
    if op == 0x1F:
        return number.type.converted(-number.value)
    if op == 0x20 and not number.type.is_float:
        return number.type.converted(~int(number.value))
    return None
