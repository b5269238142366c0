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
    "Computed",
    "Const",
    "Gone",
    "InMemory",
    "InPieces",
    "InRegister",
    "InVector",
    "IsValue",
    "Piece",
    "Place",
    "Synthetic",
    "is_behind_a_pointer",
    "is_static",
    "is_whole",
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


Place = InMemory | InRegister | InVector | IsValue | Const | Computed | Gone | Synthetic | InPieces


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
    return place


def _piece_at(place: InPieces, offset: int) -> Place:
    at = 0
    for number, piece in enumerate(place.pieces):
        if at <= offset < at + piece.size:
            first = Piece(at + piece.size - offset, part_of(piece.place, offset - at))
            rest = place.pieces[number + 1 :]
            return InPieces((first, *rest)) if rest else first.place
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
