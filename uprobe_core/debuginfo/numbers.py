"""Numbers as arguments: how their types print, and the operations that fetch them from wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uprobe_core.debuginfo.operands import Operand, RefusedError
from uprobe_core.debuginfo.places import (
    Computed,
    Const,
    InMemory,
    InPieces,
    InRegister,
    InVector,
    IsValue,
    load,
    of_size,
    part_of,
)
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import FetchArg, FetchOp, FetchType, OpCode, absent
from uprobe_core.events.fetch_run import compile_fetch
from uprobe_core.events.fetch_source import FetchSource
from uprobe_core.events.fetch_types import EXTENSION_TYPES, TYPES
from uprobe_core.types import GoneError

__all__ = ("END", "SHAPE", "WORD", "fetch_type", "may_fault", "number")

END = FetchOp(OpCode.END)
SHAPE = FetchType("shape", 0, "shape")
_KINDS = {Kind.SIGNED: "s", Kind.POINTER: "x", Kind.CHAR: "c", Kind.FLOAT: "f", Kind.CODE: "x"}
_BOOL = ((0, "false"), (1, "true"))


def fetch_type(kind: Type) -> FetchType:
    """How the fetch language calls a number of *kind*, with the words for some of its values."""
    size = kind.size
    letter = _KINDS.get(kind.kind, "s" if kind.is_signed else "u")
    if kind.kind is Kind.CHAR:
        if kind.die is not None and kind.die.name == "char" and size == 1:
            return TYPES["char"]
        letter = "s" if kind.is_signed else "u"
    if kind.kind is Kind.UNICODE:
        return replace(TYPES[f"u{8 * size}"], kind="C")
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
    kind = fetch_type(operand.type)
    if operand.bits:
        tells = isinstance(operand.place, InMemory) and may_fault(operand.place.ops)
        return FetchArg("", "", *_bit_field(operand, kind), tells=tells)
    place = of_size(operand.place, size)
    if isinstance(place, InMemory):
        ops = (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, size))
        return FetchArg("", "", kind, (*ops, END), tells=may_fault(place.ops))
    head, added, bit = _loaded(operand, size)
    if not bit:
        ops = (*head, FetchOp(OpCode.ST_RAW, added, size), END)
        return FetchArg("", "", kind, ops, tells=_reads(head))
    if kind.kind == "f":
        raise RefusedError("a floating point number in a part of a register cannot be fetched")
    whole, cut = _cut(kind, bit, 8 * size)
    ops = (*head, FetchOp(OpCode.ST_RAW, added, 8), cut, END)
    return FetchArg("", "", whole, ops, tells=_reads(head))


def _reads(ops: Sequence[FetchOp]) -> bool:
    return any(op.code in (OpCode.DEREF, OpCode.COMPUTED) for op in ops)


def may_fault(ops: Sequence[FetchOp]) -> bool:
    """Whether the memory behind what *ops* load may be unreadable: not that of the file or the stack."""
    return _reads(ops) or ops[0].code not in (OpCode.FOFFS, OpCode.STACKP)


def _cut(kind: FetchType, bit: int, bits: int) -> tuple[FetchType, FetchOp]:
    """*bits* bits from *bit* on of a whole register, as a bit field of 64 bits."""
    return _wider(kind, 8), FetchOp(OpCode.MOD_BF, size=8, lshift=64 - bit - bits, rshift=64 - bits)


def _wider(kind: FetchType, size: int) -> FetchType:
    """*kind* in *size* bytes, shown in the same way."""
    letter = kind.kind if kind.kind in "sx" else "u"
    found = replace(TYPES[f"{letter}{8 * size}"], words=kind.words, has_flags=kind.has_flags)
    return replace(found, kind=kind.kind) if kind.kind in ("c", "C") else found


def _loaded(operand: Operand, size: int) -> tuple[tuple[FetchOp, ...], int, int]:
    """What loads a value that is in no memory, what is added, and at which bit of it the value begins."""
    place = of_size(operand.place, size)
    is_float = operand.type.kind is Kind.FLOAT  # which no engine cuts out of a register
    if isinstance(place, InRegister) and place.bit and is_float:
        return (_upper_half(place),), 0, 0
    if isinstance(place, InRegister) and place.bit + 8 * size <= 64:
        return load(OpCode.REG, place.number), 0, place.bit
    if isinstance(place, IsValue) and place.bit + 8 * size <= 64:
        return place.ops, place.added, place.bit
    if isinstance(place, InVector):
        if not place.offset:
            return load(OpCode.VREG, place.number, size), 0, 0
        if place.offset + size <= 8 and not is_float:
            return load(OpCode.VREG, place.number, 8), 0, 8 * place.offset
        if place.offset + size <= 16:
            return (_upper(place),), 0, 0
    if isinstance(place, Const):
        return load(OpCode.IMM, int.from_bytes(place.data[:size], "little")), 0, 0
    if isinstance(place, Computed) and place.compute is not None and place.bit + 8 * size <= 64:
        return (FetchOp(OpCode.COMPUTED, text="an expression of DWARF", compute=place.compute),), 0, place.bit
    if isinstance(place, InPieces):
        return (_spread(place, size),), 0, 0
    raise RefusedError("it cannot be fetched from where it is here")


def _upper(place: InVector) -> FetchOp:
    """What loads a part of a vector register that is above its low half, which engines know."""

    def compute(hit: FetchSource) -> int:
        return int(hit.task.get_vec(place.number)) >> 8 * place.offset

    return FetchOp(OpCode.COMPUTED, text=f"v{place.number} from byte {place.offset} on", compute=compute)


def _upper_half(place: InRegister) -> FetchOp:
    """The same of a general register."""

    def compute(hit: FetchSource) -> int:
        return int(hit.task.get_reg(place.number)) >> place.bit

    return FetchOp(OpCode.COMPUTED, text=f"x{place.number} from bit {place.bit} on", compute=compute)


def _spread(place: InPieces, size: int) -> FetchOp:
    """What puts a number together from pieces that are here and there."""
    parts: list[tuple[int, FetchArg]] = []
    at = 0
    while at < size:
        width = _width(place, at, size)
        byte = Operand(Bytes(width), part_of(place, at))
        parts.append((8 * at, number(byte)))
        at += width
    program = compile_fetch([arg for _, arg in parts])

    def compute(hit: FetchSource) -> int:
        values = program.run(hit)
        if absent(values) is not None:
            raise GoneError("a piece is not there")
        numbers: list[int] = [int(value or 0) for value in values]  # type: ignore[arg-type]  # of bytes
        return sum(value << bit for (bit, _), value in zip(parts, numbers, strict=True))

    return FetchOp(OpCode.COMPUTED, text="a number in pieces", compute=compute)


def _width(place: InPieces, at: int, size: int) -> int:
    """How many bytes from *at* on are in one place."""
    start = 0
    for piece in place.pieces:
        if start <= at < start + piece.size:
            left = min(start + piece.size, size) - at
            return next(width for width in (8, 4, 2, 1) if width <= left)
        start += piece.size
    raise RefusedError("a part of it is nowhere here")


class Bytes(Type):
    """So many bytes as a number."""

    def __init__(self, size: int) -> None:
        super().__init__(None)
        self.kind, self.size = Kind.UNSIGNED, size


def _bit_field(operand: Operand, kind: FetchType) -> tuple[FetchType, tuple[FetchOp, ...]]:
    """The type and operations of a bit field; one in memory is read with as few bytes as hold it."""
    bits = operand.bits
    place = of_size(operand.place, operand.size)
    if isinstance(place, InMemory):
        size = next((each for each in (1, 2, 4, 8) if operand.bit + bits <= 8 * each), 0)
        if not size:
            raise RefusedError("a bit field over more than 8 bytes cannot be fetched")
        left = 8 * size - operand.bit - bits
        cut = FetchOp(OpCode.MOD_BF, size=size, lshift=left, rshift=8 * size - bits)
        return _wider(kind, size), (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, size), cut, END)
    head, added, bit = _loaded(operand, 1)
    whole, cut = _cut(kind, bit + operand.bit, bits)
    return whole, (*head, FetchOp(OpCode.ST_RAW, added, 8), cut, END)


WORD = Bytes(8)
"""A number as wide as a register."""
