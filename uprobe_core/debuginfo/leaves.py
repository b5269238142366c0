"""From an object to the arguments that fetch it, and how it is shown: as its type says.

Numbers are one fetch each; text is read behind its pointer; a structure is
fetched member by member and put together when it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from uprobe_core.debuginfo.numbers import END, SHAPE, fetch_type, number
from uprobe_core.debuginfo.operands import Operand, RefusedError, looked_through
from uprobe_core.debuginfo.places import Gone, InMemory, of_size, part_of
from uprobe_core.debuginfo.text import is_text_pointer, text_of
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import FetchArg, FetchOp, OpCode
from uprobe_core.events.fetch_types import STRING
from uprobe_core.events.shapes import Template

__all__ = ("OPTIMIZED_OUT", "fixed", "make_argument")

OPTIMIZED_OUT = "<optimized out>"
_DEEPEST, _MOST_MEMBERS, _MOST_ELEMENTS = 2, 24, 64
_MOST_LEAVES = 96
_MOST_ROWS = 8


@dataclass(slots=True)
class _Budget:
    """How many leaves one argument may still have."""

    left: int = _MOST_LEAVES


def make_argument(
    name: str, text: str, operand: Operand, symbol: Callable[[Operand], FetchArg | None]
) -> FetchArg:
    """The argument that shows *operand*; raises RefusedError.

    :param symbol: the argument that shows a pointer to code, None if it is to be a number
    """
    return replace(_Maker(symbol).make(operand, 0), name=name, text=text)


def fixed(text: str) -> FetchArg:
    """An argument that is always *text*."""
    return FetchArg("", "", SHAPE, (), parts=(), shape=Template((text,), ()))


class _Maker:
    """Makes one argument."""

    def __init__(self, symbol: Callable[[Operand], FetchArg | None]) -> None:
        self._symbol = symbol
        self._budget = _Budget()

    def make(self, operand: Operand, depth: int) -> FetchArg:
        """The argument without a name; *depth* structures are around it."""
        if operand.type.size:
            operand = replace(operand, place=of_size(operand.place, operand.type.size))
        if isinstance(operand.place, Gone):
            return fixed(_gone_text(operand.place))
        self._budget.left -= 1
        kind = operand.type.kind
        if operand.type.is_reference:
            return self.make(looked_through(operand), depth)
        text = text_of(operand)
        if text is not None:
            return text
        if kind is Kind.ARRAY:
            return self._array(operand, depth)
        if kind in (Kind.STRUCT, Kind.UNION):
            return self._structure(operand, depth)
        if kind is Kind.POINTER and operand.type.target.kind is Kind.CODE:
            found = self._symbol(operand)
            if found is not None:
                return found
        if kind in (Kind.VOID, Kind.OTHER):
            raise RefusedError(f"a value of type {operand.type.name} cannot be shown")
        return number(operand)

    def _structure(self, operand: Operand, depth: int) -> FetchArg:
        members = operand.type.members
        if not members:
            return fixed("{...}" if operand.type.complete is None or operand.type.size else "{}")
        if depth >= _DEEPEST:
            return fixed("{...}")
        texts, parts, joined = [], [], "{"
        for count, member in enumerate(members):
            if count >= _MOST_MEMBERS or self._budget.left <= 0:
                joined += " ..."
                break
            byte, bit = divmod(member.bit, 8)
            inner = Operand(member.type, part_of(operand.place, byte), bit if member.bits else 0, member.bits)
            label = f"{member.name}=" if member.name else ""
            texts.append(f"{joined}{label}")
            parts.append(replace(self._part(inner, depth + 1), name=member.name))
            joined = " "
        texts.append((joined if joined != " " else "") + "}")
        return _shaped(texts, parts)

    def _part(self, operand: Operand, depth: int) -> FetchArg:
        try:
            return self.make(operand, depth)
        except RefusedError:
            return fixed("?")

    def _array(self, operand: Operand, depth: int) -> FetchArg:
        kind = operand.type
        count, inner = (kind.counts or [0])[0], kind.inner
        if not count:
            return fixed("{}")
        place = of_size(operand.place, kind.size)
        simple = inner.is_number and inner.kind is not Kind.OTHER and inner.size in (1, 2, 4, 8)
        if simple and isinstance(place, InMemory):
            shown = min(count, _MOST_ELEMENTS)
            found = _numbers(inner, place, shown)
            return found if shown == count else _shaped(["", "..."], [found])
        shown = min(count, _MOST_ROWS)
        elements = [
            self._part(Operand(inner, part_of(operand.place, at * inner.size)), depth + (not inner.is_number))
            for at in range(shown)
            if self._budget.left > 0
        ]
        texts = ["{", *[","] * (len(elements) - 1), "}" if len(elements) == count else ",...}"]
        return _shaped(texts, elements)


def _shaped(texts: Sequence[str], parts: Sequence[FetchArg]) -> FetchArg:
    return FetchArg("", "", SHAPE, (), parts=tuple(parts), shape=Template(tuple(texts), tuple(parts)))


def _gone_text(place: Gone) -> str:
    return f"<{place.why}>" if place.why else OPTIMIZED_OUT


def _numbers(inner: Type, place: InMemory, count: int) -> FetchArg:
    """An array of numbers, or of pointers to text, in memory."""
    if is_text_pointer(inner):
        ops = (*place.ops, FetchOp(OpCode.DEREF, place.offset), FetchOp(OpCode.ST_STRING, size=4))
        return FetchArg("", "", STRING, (*ops, FetchOp(OpCode.LP_ARRAY, count), END), count)
    kind = fetch_type(inner)
    ops = (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, inner.size))
    return FetchArg("", "", kind, (*ops, FetchOp(OpCode.LP_ARRAY, count), END), count)
