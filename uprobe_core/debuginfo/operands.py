"""Objects of the program, and what the operators of the source do to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from uprobe_core.debuginfo.places import (
    Computed,
    Const,
    Gone,
    InBits,
    InMemory,
    InRegister,
    IsValue,
    Place,
    Synthetic,
    bits_of,
    load,
    of_size,
    part_of,
)
from uprobe_core.debuginfo.types import Kind, Member, Type
from uprobe_core.event_model import FetchOp, OpCode

__all__ = (
    "Operand",
    "RefusedError",
    "address_of",
    "index",
    "member",
    "part_named",
    "pointed",
    "read_pointer",
)


class RefusedError(Exception):
    """Why a value cannot be had; :param hint: what to write instead."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text, self.hint = text, hint


@dataclass(frozen=True, slots=True)
class Operand:
    """An object.

    :param bit: where in the byte at *place* it begins, of a bit field of *bits* bits (0: it is none)
    """

    type: Type
    place: Place
    bit: int = 0
    bits: int = 0

    @property
    def size(self) -> int:
        """How many bytes from *place* on it takes."""
        return (self.bit + self.bits + 7) // 8 if self.bits else self.type.size


def read_pointer(operand: Operand) -> tuple[tuple[FetchOp, ...], int]:
    """The operations that load the pointer *operand*, and what is to be added; raises RefusedError."""
    place = of_size(operand.place, operand.type.size or 8)
    if isinstance(place, InRegister) and not place.bit:
        return load(OpCode.REG, place.number), 0
    if isinstance(place, InMemory):
        return (*place.ops, FetchOp(OpCode.DEREF, place.offset)), 0
    if isinstance(place, IsValue) and not place.bit:
        return place.ops, place.added
    if isinstance(place, Const):
        return load(OpCode.IMM, int.from_bytes(place.data[:8], "little")), 0
    if isinstance(place, Computed) and place.compute is not None:
        return (FetchOp(OpCode.COMPUTED, text="an expression of DWARF", compute=place.compute),), 0
    why = place.why if isinstance(place, Gone) else ""
    if isinstance(place, Synthetic):
        raise RefusedError("the pointer is nowhere here, only what it points to", "name a member, or *p")
    raise RefusedError(why or "the pointer is optimized out here")


def pointed(operand: Operand) -> Operand:
    """What the pointer *operand* points to; raises RefusedError."""
    if operand.type.kind is Kind.ARRAY:
        return index(operand, 0)
    if operand.type.kind is not Kind.POINTER:
        raise RefusedError(f"{operand.type.name} is no pointer")
    place = of_size(operand.place, operand.type.size or 8)
    if isinstance(place, Synthetic) and place.find is not None:
        return Operand(operand.type.target, part_of(place.find(), place.added))
    ops, added = read_pointer(operand)
    return Operand(operand.type.target, InMemory(ops, added))


def looked_through(operand: Operand) -> Operand:
    """What a reference of C++ refers to; anything else is itself."""
    return pointed(operand) if operand.type.is_reference else operand


def member(operand: Operand, name: str) -> Operand:
    """The part called *name* of a structure; raises RefusedError."""
    operand = looked_through(operand)
    if operand.type.kind not in (Kind.STRUCT, Kind.UNION):
        raise RefusedError(f"{operand.type.name} has no members")
    way = operand.type.find(f"__{name}" if name.isdigit() else name)
    if way is None:
        raise RefusedError(f"{operand.type.name} has no member {name!r}", _known(operand.type.names(), name))
    for step in way:
        operand = part_named(operand, step)
    return operand


def part_named(operand: Operand, part: Member) -> Operand:
    """The *part* of a structure; raises RefusedError."""
    if part.is_virtual:
        raise RefusedError(f"{part.name} is a virtual base, and only the object says where it is")
    if isinstance(operand.place, InBits) and part.type.is_number:
        return _in_bits(operand.place, part)
    byte, bit = divmod(part.bit, 8)
    return Operand(part.type, part_of(operand.place, byte), bit if part.bits else 0, part.bits)


def _in_bits(place: InBits, part: Member) -> Operand:
    """A number in pieces that are no whole bytes."""
    try:
        found, bit = bits_of(place, part.bit, part.bits or 8 * part.type.size)
    except LookupError as error:
        raise RefusedError(str(error)) from None
    bits = part.bits or (8 * part.type.size if bit else 0)
    return Operand(part.type, found, bit if bits else 0, bits)


def _known(names: list[str], wanted: str) -> str:
    from uprobe_core.events.hints import nearest

    if not names:
        return "the file says nothing of what is in it"
    return nearest(wanted, names) or f"members: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"


def index(operand: Operand, number: int) -> Operand:
    """Element *number* of an array, or behind a pointer; raises RefusedError."""
    operand = looked_through(operand)
    if operand.type.kind is Kind.POINTER:
        target = pointed(operand)
        return replace(target, place=part_of(target.place, number * max(target.type.size, 1)))
    if operand.type.kind is not Kind.ARRAY:
        raise RefusedError(f"{operand.type.name} is no array", "leave the index out")
    counts = operand.type.counts
    if counts and counts[0] and number >= counts[0]:
        raise RefusedError(f"{operand.type.name} has no element {number}", f"elements 0 to {counts[0] - 1}")
    inner = operand.type.inner
    return Operand(inner, part_of(operand.place, number * inner.size))


def address_of(operand: Operand) -> Operand:
    """``&operand``; raises RefusedError for what is in no memory."""
    place = of_size(operand.place, operand.type.size)
    if operand.bits:
        raise RefusedError("it is a bit field and has no address", "leave the & out")
    if not isinstance(place, InMemory):
        where = "a register" if isinstance(place, InRegister) else "no memory"
        raise RefusedError(f"it is in {where} here and has no address", "leave the & out")
    return Operand(operand.type.pointer(), IsValue(place.ops, place.offset))
