"""What unoptimised code of clang was given, as its first instructions bear it out.

clang leaves large parameters that a function does not use out of the debug
information, so that those behind it are not where the calling convention would
have them.  Where each is put into memory says from where it came.
"""

from __future__ import annotations

from collections.abc import Sequence

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.location import FIRST_VECTOR
from uprobe_core.debuginfo.places import InMemory, InPieces, InRegister, InVector, Piece, Place, load
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import OpCode
from uprobe_core.unwinding import Spills, Where

__all__ = ("borne_out", "is_asked")


def is_asked(die: Die) -> bool:
    """Whether the function *die* is one of which parameters may be missing."""
    return "clang version" in str(die.unit.root.get(At.PRODUCER, ""))


def borne_out(places: Sequence[Place], slots: Sequence[Place], spills: Spills) -> list[Place | None]:
    """Where parameters are at the first instruction; None for one that is not seen to be put into its slot.

    :param places: where the calling convention has them, :param slots: where the function puts them
    """
    return [_one(place, slot, spills) for place, slot in zip(places, slots, strict=True)]


def _one(place: Place, slot: Place, spills: Spills) -> Place | None:
    at = _place_of(slot, spills)
    if at is None:
        return None
    if at >= 0:
        return InMemory(load(OpCode.STACKP), at)
    if not isinstance(place, InPieces):
        return _source(at, spills)
    parts, start = [], 0
    for piece in place.pieces:
        found = _source(at + start, spills)
        if found is None:
            return None
        parts.append(Piece(piece.size, found))
        start += piece.size
    return InPieces(tuple(parts))


def _place_of(slot: Place, spills: Spills) -> int | None:
    """Where *slot* is, counted from SP at the entry; of what is behind a pointer, where that pointer is."""
    if not isinstance(slot, InMemory) or slot.ops[0].code is not OpCode.REG:
        return None
    base = spills.bases.get(slot.ops[0].param)
    if base is None or len(slot.ops) > 2:
        return None
    return base + (slot.ops[1].param if len(slot.ops) == 2 else slot.offset)


def _source(at: int, spills: Spills) -> Place | None:
    where, value = spills.found.get(at, (Where.UNDEFINED, 0))
    if where is Where.MEMORY:
        return InMemory(load(OpCode.STACKP), value)
    if where is not Where.REGISTER:
        return None
    return InRegister(value) if value < FIRST_VECTOR else InVector(value - FIRST_VECTOR)
