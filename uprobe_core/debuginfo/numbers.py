"""Numbers as arguments: how their types print, and the operations that fetch them from wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from uprobe_core.debuginfo.operands import Operand, RefusedError
from uprobe_core.debuginfo.places import (
    Computed,
    Const,
    InMemory,
    InRegister,
    InVector,
    IsValue,
    load,
    of_size,
    part_of,
)
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import FetchArg, FetchOp, FetchType, OpCode, Value
from uprobe_core.events.fetch_types import EXTENSION_TYPES, TYPES

__all__ = ("END", "SHAPE", "fetch_type", "number")

END = FetchOp(OpCode.END)
SHAPE = FetchType("shape", 0, "shape")
_KINDS = {Kind.SIGNED: "s", Kind.POINTER: "x", Kind.CHAR: "c", Kind.FLOAT: "f", Kind.CODE: "x"}
_BOOL = ((0, "false"), (1, "true"))


def fetch_type(kind: Type, size: int = 0) -> FetchType:
    """How the fetch language calls a number of *kind*, with the words for some of its values."""
    size = size or kind.size
    letter = _KINDS.get(kind.kind, "s" if kind.is_signed else "u")
    if kind.kind is Kind.CHAR:
        if kind.die is not None and kind.die.name == "char" and size == 1:
            return TYPES["char"]
        letter = "s" if kind.is_signed else "u"
    found = EXTENSION_TYPES.get(f"f{8 * size}") if letter == "f" else TYPES.get(f"{letter}{8 * size}")
    if found is None:
        raise RefusedError(f"a number of {size} bytes ({kind.name}) cannot be shown")
    if kind.kind is Kind.BOOL:
        return replace(found, words=_BOOL)
    if kind.kind is Kind.ENUM:
        words = kind.enumerators
        bits = [value for value in words if value]
        flags = len(bits) > 1 and all(value > 0 and value & (value - 1) == 0 for value in bits)
        return replace(found, words=tuple(words.items()), has_flags=flags)
    return found


def number(operand: Operand) -> FetchArg:
    """The argument that fetches a number; raises RefusedError."""
    size = operand.type.size
    if size == 16 and operand.type.kind in (Kind.SIGNED, Kind.UNSIGNED):
        return _wide(operand)
    kind = fetch_type(operand.type)
    if operand.bits:
        return FetchArg("", "", *_bit_field(operand, kind))
    place = of_size(operand.place, size)
    if isinstance(place, InMemory):
        ops = (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, size))
        return FetchArg("", "", kind, (*ops, END))
    head, added, bit = _loaded(operand, size)
    if not bit:
        return FetchArg("", "", kind, (*head, FetchOp(OpCode.ST_RAW, added, size), END))
    if kind.kind == "f":
        raise RefusedError("a floating point number in a part of a register cannot be fetched")
    whole, cut = _cut(kind, bit, 8 * size)
    return FetchArg("", "", whole, (*head, FetchOp(OpCode.ST_RAW, added, 8), cut, END))


def _cut(kind: FetchType, bit: int, bits: int) -> tuple[FetchType, FetchOp]:
    """*bits* bits from *bit* on of a whole register, as a bit field of 64 bits."""
    letter = kind.kind if kind.kind in "sx" else "u"
    whole = replace(TYPES[f"{letter}64"], words=kind.words, has_flags=kind.has_flags)
    return whole, FetchOp(OpCode.MOD_BF, size=8, lshift=64 - bit - bits, rshift=64 - bits)


def _loaded(operand: Operand, size: int) -> tuple[tuple[FetchOp, ...], int, int]:
    """What loads a value that is in no memory, what is added, and at which bit of it the value begins."""
    place = of_size(operand.place, size)
    if isinstance(place, InRegister) and place.bit + 8 * size <= 64:
        return load(OpCode.REG, place.number), 0, place.bit
    if isinstance(place, IsValue) and place.bit + 8 * size <= 64:
        return place.ops, place.added, place.bit
    if isinstance(place, InVector):
        if not place.offset:
            return load(OpCode.VREG, place.number, size), 0, 0
        if place.offset + size <= 8:
            return load(OpCode.VREG, place.number, 8), 0, 8 * place.offset
    if isinstance(place, Const):
        return load(OpCode.IMM, int.from_bytes(place.data[:size], "little")), 0, 0
    if isinstance(place, Computed) and place.compute is not None and place.bit + 8 * size <= 64:
        return (FetchOp(OpCode.COMPUTED, text="an expression of DWARF", compute=place.compute),), 0, place.bit
    raise RefusedError("it is spread over registers here")


def _bit_field(operand: Operand, kind: FetchType) -> tuple[FetchType, tuple[FetchOp, ...]]:
    """The type and operations of a bit field; one in memory is read with as few bytes as hold it."""
    place, bits = operand.place, operand.bits
    if isinstance(place, InMemory):
        size = next((each for each in (1, 2, 4, 8) if operand.bit + bits <= 8 * each), 0)
        if not size:
            raise RefusedError("a bit field over more than 8 bytes cannot be fetched")
        letter = kind.kind if kind.kind in "sx" else "u"
        whole = replace(TYPES[f"{letter}{8 * size}"], words=kind.words, has_flags=kind.has_flags)
        left = 8 * size - operand.bit - bits
        cut = FetchOp(OpCode.MOD_BF, size=size, lshift=left, rshift=8 * size - bits)
        return whole, (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, size), cut, END)
    head, added, bit = _loaded(operand, 1)
    whole, cut = _cut(kind, bit + operand.bit, bits)
    return whole, (*head, FetchOp(OpCode.ST_RAW, added, 8), cut, END)


@dataclass(frozen=True, slots=True)
class _Wide:
    """A number of 128 bits from its halves."""

    signed: bool

    def __call__(self, values: Sequence[Value]) -> str:
        low, high = (int(value or 0) for value in values)  # type: ignore[arg-type]  # halves are numbers
        value = low | high << 64
        return str(value - (1 << 128) if self.signed and value >> 127 else value)


def _wide(operand: Operand) -> FetchArg:
    half = Operand(_Half(operand.type.die), operand.place)
    parts = (number(half), number(replace(half, place=part_of(operand.place, 8))))
    return FetchArg("", "", SHAPE, (), parts=parts, shape=_Wide(operand.type.kind is Kind.SIGNED))


class _Half(Type):
    """64 bits without a sign."""

    kind = Kind.UNSIGNED
    size = 8
