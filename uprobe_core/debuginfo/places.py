"""Where an object is: what a DWARF expression says, as operations of a fetch program (DWARF 5, 2.5, 2.6).

An expression is run on names instead of numbers.  What comes out is one of the
few places that compilers write, for which a fetch program is as good as the
same registers and dereferences written by hand; anything else stays an
expression that is computed at the hit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uprobe_core.event_model import FetchOp, OpCode

__all__ = (
    "BitPiece",
    "Computed",
    "Const",
    "Gone",
    "InBits",
    "InMemory",
    "InPieces",
    "InRegister",
    "InVector",
    "IsValue",
    "Piece",
    "Place",
    "Synthetic",
    "bits_of",
    "is_behind_a_pointer",
    "is_static",
    "is_whole",
    "joined",
    "spread",
)


@dataclass(frozen=True, slots=True)
class InMemory:
    """At the address that *ops* load, plus *offset* bytes."""

    ops: tuple[FetchOp, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class InRegister:
    """In register *number*, from bit *bit* on."""

    number: int
    bit: int = 0


@dataclass(frozen=True, slots=True)
class InVector:
    """In vector register *number*, from byte *offset* on."""

    number: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class IsValue:
    """It is nowhere, but its value is what *ops* load, plus *added*, from bit *bit* on."""

    ops: tuple[FetchOp, ...]
    added: int = 0
    bit: int = 0


@dataclass(frozen=True, slots=True)
class Const:
    """It is nowhere, but its bytes are known."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Computed:
    """What the expression *code* computes at the hit, from bit *bit* of it on.

    :param is_value: whether that is the value, not the address
    :param compute: what computes the value of a hit
    """

    code: bytes
    is_value: bool
    bit: int = 0
    offset: int = 0
    compute: Callable[[Any], int] | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Nowhere at this place.

    :param why: "" for what the compiler has removed
    """

    why: str = ""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A pointer that is nowhere, to an object that the program does not keep in memory either.

    :param target: the entry of that object, by its offset; :param added: bytes into the object
    :param find: where the object is
    """

    target: int
    added: int
    find: Callable[[], Place] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """*size* bytes of an object."""

    size: int
    place: Place


@dataclass(frozen=True, slots=True)
class InPieces:
    """Here and there."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class BitPiece:
    """*bits* bits of an object: those from bit *first* on of *place*."""

    bits: int
    place: Place
    first: int = 0


@dataclass(frozen=True, slots=True)
class InBits:
    """Here and there, in pieces that are no whole bytes (bit fields); bit *start* of them is its first."""

    pieces: tuple[BitPiece, ...]
    start: int = 0


Place = InMemory | InRegister | InVector | IsValue | Const | Computed | Gone | Synthetic | InPieces | InBits


def joined(pieces: Sequence[BitPiece]) -> Place:
    """The place of an object that lies in *pieces*."""
    if any(each.bits % 8 or each.first % 8 for each in pieces):
        return InBits(tuple(pieces))
    return InPieces(tuple(Piece(each.bits // 8, part_of(each.place, each.first // 8)) for each in pieces))


def bits_of(place: InBits, start: int, bits: int) -> tuple[Place, int]:
    """The place and the bit of it where *bits* bits begin, the first of them number *start*.

    Raises LookupError if they are not in one piece.
    """
    at, start = 0, start + place.start
    for piece in place.pieces:
        if at <= start and start + bits <= at + piece.bits:
            byte, bit = divmod(start - at + piece.first, 8)
            return part_of(piece.place, byte), bit
        at += piece.bits
    raise LookupError("a number in pieces that are no whole bytes")


def part_of(place: Place, offset: int) -> Place:
    """Where the bytes from *offset* on are of an object at *place*."""
    if isinstance(place, InMemory):
        return replace(place, offset=place.offset + offset)
    if isinstance(place, InVector):
        return replace(place, offset=place.offset + offset)
    if isinstance(place, InRegister | IsValue):
        return replace(place, bit=place.bit + 8 * offset)
    if isinstance(place, Computed):
        if place.is_value:
            return replace(place, bit=place.bit + 8 * offset)
        return replace(place, offset=place.offset + offset)
    if isinstance(place, Const):
        return Const(place.data[offset:])
    if isinstance(place, InPieces):
        return _piece_at(place, offset)
    if isinstance(place, InBits):
        return replace(place, start=place.start + 8 * offset)
    return place


def _piece_at(place: InPieces, offset: int) -> Place:
    at = 0
    for number, piece in enumerate(place.pieces):
        if at <= offset < at + piece.size:
            first = Piece(at + piece.size - offset, part_of(piece.place, offset - at))
            return InPieces((first, *place.pieces[number + 1 :]))
        at += piece.size
    return Gone()


def of_size(place: Place, size: int) -> Place:
    """The place of an object of *size* bytes that begins at *place*: a whole piece, if it is within one."""
    if isinstance(place, InPieces) and place.pieces and place.pieces[0].size >= size:
        return place.pieces[0].place
    return place


def load(code: OpCode, param: int = 0, size: int = 0) -> tuple[FetchOp, ...]:
    """One operation that loads a value."""
    return (FetchOp(code, param, size),)


def spread(parts: Sequence[tuple[int, Place]], size: int) -> Place:
    """The place of an object of *size* bytes whose *parts* are here and there: each from a byte on."""
    if len(parts) == 1 and not parts[0][0]:
        return parts[0][1]
    starts = [*(at for at, _ in parts), size]
    head = (Piece(starts[0], Gone()),) if starts[0] else ()
    pieces = (Piece(starts[n + 1] - at, place) for n, (at, place) in enumerate(parts))
    return InPieces((*head, *pieces))


def is_whole(place: Place, size: int) -> bool:
    """Whether all of the *size* bytes at *place* are somewhere."""
    if isinstance(place, Gone):
        return False
    if not isinstance(place, InPieces):
        return True
    at = 0
    for piece in place.pieces:
        if at < size and not is_whole(piece.place, min(piece.size, size - at)):
            return False
        at += piece.size
    return at >= size


def is_behind_a_pointer(place: Place) -> bool:
    """Whether the caller has handed over an address of what is there (objects of C++)."""
    return isinstance(place, InMemory) and any(op.code is OpCode.DEREF for op in place.ops)


def is_static(place: Place) -> bool:
    """Whether it is at an address of the file."""
    return isinstance(place, InMemory) and place.ops[0].code is OpCode.FOFFS
