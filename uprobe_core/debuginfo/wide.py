"""Numbers that no single fetch shows (128 bits, long double, _Float16, complex), made when they are shown."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext

from uprobe_core.debuginfo.numbers import SHAPE, number
from uprobe_core.debuginfo.operands import Operand
from uprobe_core.debuginfo.places import is_whole, part_of
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import FetchArg, Value, absent
from uprobe_core.events.shapes import Template

__all__ = ("wide_number",)

_QUAD, _HALF = 16, 2
_DIGITS = 36
"""What 113 bits need, and what debuggers print."""
_FRACTION, _BIAS, _LARGEST = 112, 16383, 0x7FFF


def wide_number(operand: Operand) -> FetchArg | None:
    """The argument that shows a number that no single fetch can; None if one can.  Raises RefusedError."""
    kind = operand.type
    if not is_whole(operand.place, kind.size):
        return None
    if kind.kind is Kind.COMPLEX and kind.size in (4, 8, 16, 32):
        return _complex(operand)
    if kind.kind is Kind.FLOAT and kind.size == _HALF:
        return _half(operand)
    if kind.size != _QUAD:
        return None
    if kind.kind is Kind.FLOAT:
        return _halves(operand, _quad)
    signed = kind.kind is Kind.SIGNED
    return _halves(operand, _signed if signed else str) if signed or kind.kind is Kind.UNSIGNED else None


def _halves(operand: Operand, text: Callable[[int], str]) -> FetchArg:
    """128 bits, which *text* shows."""
    half = Operand(_Part(operand.type, Kind.UNSIGNED, 8), operand.place)
    parts = number(half), number(replace(half, place=part_of(operand.place, 8)))

    def whole(values: Sequence[Value]) -> str:
        gone = absent(values)
        if gone is not None:
            return str(gone)
        low, high = (int(value or 0) for value in values)  # type: ignore[arg-type]  # halves are numbers
        return text(low | high << 64)

    return FetchArg("", "", SHAPE, (), parts=parts, shape=whole)


def _half(operand: Operand) -> FetchArg:
    """16 bits: binary16, or the upper half of binary32, which compilers call bf16."""
    part = number(Operand(_Part(operand.type, Kind.UNSIGNED, _HALF), operand.place))
    form = "<f" if "bf16" in operand.type.name.lower() or "bfloat" in operand.type.name.lower() else "<e"

    def text(values: Sequence[Value]) -> str:
        gone = absent(values)
        bits = int(values[0] or 0)  # type: ignore[arg-type]  # a number
        data = bits.to_bytes(_HALF, "little").rjust(struct.calcsize(form), b"\0")
        return str(gone) if gone is not None else repr(struct.unpack(form, data)[0])

    return FetchArg("", "", SHAPE, (), parts=(part,), shape=text)


def _complex(operand: Operand) -> FetchArg:
    size = operand.type.size // 2
    one = Operand(_Part(operand.type, Kind.FLOAT, size), operand.place)
    both = one, replace(one, place=part_of(operand.place, size))
    parts = tuple(wide_number(each) or number(each) for each in both)
    return FetchArg("", "", SHAPE, (), parts=parts, shape=Template(("", "+", "i"), parts))


class _Part(Type):
    """A part of a number, which has no entry of its own."""

    def __init__(self, whole: Type, kind: Kind, size: int) -> None:
        super().__init__(whole.die)
        self.kind, self.size = kind, size


def _signed(value: int) -> str:
    return str(value - (1 << 128) if value >> 127 else value)


def _quad(bits: int) -> str:
    """The number of IEEE 754 binary128, with as many digits as it takes to tell it from others."""
    sign, exponent = "-" if bits >> 127 else "", bits >> _FRACTION & _LARGEST
    fraction = bits & (1 << _FRACTION) - 1
    if exponent == _LARGEST:
        return "nan" if fraction else f"{sign}inf"
    fraction |= bool(exponent) << _FRACTION
    power = max(exponent, 1) - _BIAS - _FRACTION
    with localcontext() as context:
        context.prec = 5000 if abs(power) > 1000 else 700
        exact = Decimal(fraction) * Decimal(2) ** power
        context.prec = _DIGITS
        short = +exact
    text = repr(float(short)) if _is_double(short) else f"{short.normalize():g}"
    return sign + text


def _is_double(value: Decimal) -> bool:
    """Whether a double is the same number."""
    try:
        return Decimal(struct.unpack("<d", struct.pack("<d", float(value)))[0]) == value
    except (OverflowError, ValueError):
        return False
