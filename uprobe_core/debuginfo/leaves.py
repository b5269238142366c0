"""From an object to the arguments that fetch it, and how it is shown: as its type says.

Numbers are one fetch each; text is read behind its pointer; a structure is
fetched member by member and put together when it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from uprobe_core.debuginfo.code_pointers import code_pointer
from uprobe_core.debuginfo.containers import count_of, maybe_of, parts_of
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.go_values import elements_of_map, interface_of
from uprobe_core.debuginfo.numbers import END, SHAPE, fetch_type, may_fault, number
from uprobe_core.debuginfo.operands import Operand, RefusedError, looked_through, part_named
from uprobe_core.debuginfo.places import (
    Computed,
    Gone,
    InMemory,
    Place,
    Synthetic,
    is_whole,
    of_size,
    part_of,
)
from uprobe_core.debuginfo.sequences import Elements, elements_of, held
from uprobe_core.debuginfo.text import is_text_pointer, text_of
from uprobe_core.debuginfo.types import VOID, Kind, Member, Type
from uprobe_core.debuginfo.wide import wide_number
from uprobe_core.event_model import FetchArg, FetchOp, OpCode, Value, absent
from uprobe_core.events.fetch_types import STRING
from uprobe_core.events.shapes import Template
from uprobe_core.events.trace_text import shown as value_text

__all__ = ("OPTIMIZED_OUT", "fixed", "make_argument")

OPTIMIZED_OUT = "<optimized out>"
_GO_TYPES = "runtime.types"
_DEEPEST, _MOST_MEMBERS, _MOST_ELEMENTS = 2, 24, 64
_MOST_LEAVES = 96
_MOST_ROWS = 8
_NUMBERED = re.compile("__[0-9]+")
_STEPS = (1, 2, 4, 8, 16, 32, 64)
"""Lengths that are fetched of an array whose own is known at the hit: what follows it may be unreadable."""


@dataclass(slots=True)
class _Budget:
    """How many leaves one argument may still have."""

    left: int = _MOST_LEAVES


Bound = Callable[[Type], "tuple[FetchArg, int] | None"]


def make_argument(name: str, text: str, operand: Operand, frame: Frame, bound: Bound) -> FetchArg:
    """The argument that shows *operand*; raises RefusedError.

    :param frame: the place that it is fetched at
    :param bound: what fetches the length of an array that is made at run time, and what is added to that
    """
    return replace(_Maker(frame, bound).make(operand, 0), name=name, text=text)


def fixed(text: str) -> FetchArg:
    """An argument that is always *text*."""
    return FetchArg("", "", SHAPE, (), parts=(), shape=Template((text,), ()))


class _Maker:
    """Makes one argument."""

    def __init__(self, frame: Frame, bound: Bound) -> None:
        self._frame, self._bound = frame, bound
        self._budget = _Budget()

    def make(self, operand: Operand, depth: int) -> FetchArg:
        """The argument without a name; *depth* structures are around it."""
        if operand.type.size:
            operand = replace(operand, place=of_size(operand.place, operand.size))
        if _is_lost(operand):
            return fixed(OPTIMIZED_OUT)
        is_gone = isinstance(operand.place, Gone) and not operand.type.is_reference
        if is_gone or (operand.type.is_number and not is_whole(operand.place, operand.size)):
            return fixed(_gone_text(operand.place))
        self._budget.left -= 1
        kind = operand.type.kind
        if operand.type.is_reference:
            return _referred(operand, self.make(looked_through(operand), depth))
        text = self._text(operand)
        if text is not None:
            return text
        if kind is Kind.ARRAY:
            return self._array(operand, depth)
        if kind in (Kind.STRUCT, Kind.UNION):
            return self._structure(operand, depth)
        if kind is Kind.POINTER and operand.type.target.kind is Kind.CODE:
            return code_pointer(operand, self._frame.image, self._frame.static(0))
        if kind is Kind.METHOD:
            return _method(operand)
        if kind is Kind.OTHER and operand.type.name.endswith("nullptr_t"):
            return fixed("nullptr")
        if kind in (Kind.VOID, Kind.OTHER):
            raise RefusedError(f"a value of type {operand.type.name} cannot be shown")
        counter = elements_of_map(operand)
        if counter is not None:
            return FetchArg("", "", SHAPE, (), parts=(number(operand), number(counter)), shape=_map)
        if isinstance(operand.place, Synthetic):
            return fixed("<synthetic pointer>")
        return wide_number(operand) or number(operand)

    @staticmethod
    def _text(operand: Operand) -> FetchArg | None:
        try:
            return text_of(operand)
        except RefusedError:
            if operand.type.kind is not Kind.STRUCT:
                raise
            return None  # what is left of a string that is not there as a whole

    def _structure(self, operand: Operand, depth: int) -> FetchArg:
        members = operand.type.members
        inside = held(operand)
        if inside is not None:
            return self.make(inside, depth)
        if not members and not operand.type.variants:
            return fixed("{...}" if operand.type.complete is None or operand.type.size > 1 else "{}")
        if depth >= _DEEPEST:
            return fixed("{...}")
        library = self._of_library(operand, depth)
        if library is not None:
            return library
        if operand.type.variants:
            return self._variant(operand, depth)
        elements = elements_of(operand)
        if elements is not None:
            return self._elements(elements, depth)
        return self._members(operand, [each for each in members if not _is_empty(each)], depth)

    def _of_library(self, operand: Operand, depth: int) -> FetchArg | None:
        """What has a meaning that its members do not show."""
        interface = interface_of(operand, self._frame.static_of(_GO_TYPES))
        if interface is not None:
            return interface
        maybe, counter, inside = maybe_of(operand), count_of(operand), parts_of(operand)
        if maybe is not None:
            value = self._part(maybe.value, depth)
            return FetchArg(
                "", "", SHAPE, (), parts=(number(maybe.is_there), value), shape=partial(_maybe, value)
            )
        if counter is not None:
            return _shaped(("{", " elements}"), [number(counter)])
        if inside:
            parts = [self._part(each, depth + 1) for each in inside]
            return _shaped(("(", *[","] * (len(parts) - 1), ")"), parts)
        return None

    def _members(self, operand: Operand, members: Sequence[Member], depth: int) -> FetchArg:
        """``{level=3 name="x"}``, or ``(3,"x")`` where members have numbers and no names."""
        is_tuple = bool(members) and all(_NUMBERED.fullmatch(each.name) for each in members)
        opens, closes, between = ("(", ")", ",") if is_tuple else ("{", "}", " ")
        texts, parts, joined = [], [], opens
        for count, member in enumerate(members):
            if count >= _MOST_MEMBERS or self._budget.left <= 0:
                joined = f"{joined.rstrip()} ..."
                break
            label = f"{member.name.partition('<')[0]}=" if member.name and not is_tuple else ""
            texts.append(f"{joined}{label}")
            is_here = not member.is_virtual
            part = self._part(part_named(operand, member), depth + 1) if is_here else fixed("{...}")
            parts.append(replace(part, name=member.name))
            joined = between
        texts.append((joined if joined != between else "") + closes)
        return _shaped(texts, parts)

    def _variant(self, operand: Operand, depth: int) -> FetchArg:
        """``Some(5)``: the one of several that a number in the object says."""
        tag, variants = operand.type.discriminant, operand.type.variants
        if tag is None:
            return self._part(part_named(operand, variants[0].member), depth)
        if len(variants) > _MOST_MEMBERS:
            return fixed("{...}")
        counter = number(part_named(operand, tag))
        parts = [self._content(part_named(operand, each.member), depth) for each in variants]
        names = [(each.value, each.member.name) for each in variants]
        chosen = partial(_chosen, (1 << 8 * tag.type.size) - 1, names, parts)
        return FetchArg("", "", SHAPE, (), parts=(counter, *parts), shape=chosen)

    def _elements(self, found: Elements, depth: int) -> FetchArg:
        """Elements of which the hit says how many there are."""
        inner, place = found.first.type, found.first.place
        if _is_simple(inner) and isinstance(place, InMemory):
            return _up_to(found.counters, found.count, inner, place)
        rows = []
        for at in range(_MOST_ROWS):
            if self._budget.left > 0:
                one = Operand(inner, part_of(place, at * inner.size))
                rows.append(self._part(one, depth + (not inner.is_number)))
        shape = partial(_rows, len(found.counters), found.count, rows)
        return FetchArg("", "", SHAPE, (), parts=(*found.counters, *rows), shape=shape)

    def _content(self, operand: Operand, depth: int) -> FetchArg:
        """What a variant holds: nothing prints as nothing."""
        kind = operand.type
        is_empty = kind.kind is Kind.STRUCT and not kind.members and not kind.variants
        return fixed("{}") if is_empty else self._part(operand, depth)

    def _part(self, operand: Operand, depth: int) -> FetchArg:
        try:
            return self.make(operand, depth)
        except RefusedError:
            return fixed("?")

    def _array(self, operand: Operand, depth: int) -> FetchArg:
        kind = operand.type
        count, inner = (kind.counts or [0])[0], kind.inner
        place = of_size(operand.place, kind.size)
        simple = _is_simple(inner)
        if not count and simple and isinstance(place, InMemory):
            return self._unbounded(inner, place, kind)
        if count and simple and isinstance(place, InMemory):
            shown = min(count, _MOST_ELEMENTS)
            found = _numbers(inner, place, shown)
            return found if shown == count else _shaped(["", "..."], [found])
        if not count:
            return fixed("{...}")
        shown = min(count, _MOST_ROWS)
        elements = [
            self._part(Operand(inner, part_of(operand.place, at * inner.size)), depth + (not inner.is_number))
            for at in range(shown)
            if self._budget.left > 0
        ]
        texts = ["{", *[","] * (len(elements) - 1), "}" if len(elements) == count else ",...}"]
        return _shaped(texts, elements)

    def _unbounded(self, inner: Type, place: InMemory, kind: Type) -> FetchArg:
        """An array whose length is known at the hit, or not at all."""
        try:
            found = self._bound(kind)
        except RefusedError:
            return fixed(OPTIMIZED_OUT)
        if found is None:
            return fixed("{...}")
        return _up_to(found[:1], partial(_length, found[1]), inner, place)


Count = Callable[[Sequence[Value]], int]


def _length(added: int, values: Sequence[Value]) -> int:
    return int(values[0] or 0) + added  # type: ignore[arg-type]  # a number


def _up_to(counters: tuple[FetchArg, ...], count: Count, inner: Type, place: InMemory) -> FetchArg:
    """An array of numbers of which *counters* say how many there are."""
    arrays = [_numbers(inner, place, each) for each in _STEPS]
    shape = partial(_first, len(counters), count, arrays)
    return FetchArg("", "", SHAPE, (), parts=(*counters, *arrays), shape=shape)


def _first(counters: int, count: Count, arrays: Sequence[FetchArg], values: Sequence[Value]) -> str:
    """As many elements as there are, of ever longer arrays: what follows them may be unreadable."""
    gone = absent(values[:counters])
    if gone is not None:
        return str(gone)
    number = max(count(values[:counters]), 0)
    shown = min(number, _MOST_ELEMENTS)
    at = next(n for n, size in enumerate(_STEPS) if size >= shown)
    found = values[counters + at]
    if not shown or not isinstance(found, tuple):
        return "{}" if not shown else "(fault)"
    whole = value_text(replace(arrays[at], count=shown, tells=False), found[:shown])
    return whole if shown == number else f"{whole}..."


def _rows(counters: int, count: Count, rows: Sequence[FetchArg], values: Sequence[Value]) -> str:
    """The same of elements that are no numbers."""
    gone = absent(values[:counters])
    if gone is not None:
        return str(gone)
    number = max(count(values[:counters]), 0)
    texts = [value_text(arg, value) for arg, value in zip(rows, values[counters:], strict=True)][:number]
    return "{" + ",".join(texts) + (",...}" if number > len(texts) else "}")


def _chosen(
    mask: int, names: Sequence[tuple[int | None, str]], parts: Sequence[FetchArg], values: Sequence[Value]
) -> str:
    """The variant that *values* begin with the number of; the one without a number if no other has it."""
    gone = absent(values[:1])
    if gone is not None:
        return str(gone)
    tag = int(values[0] or 0) & mask  # type: ignore[arg-type]  # a number
    known = [n for n, (value, _) in enumerate(names) if value is not None and value & mask == tag]
    known += [n for n, (value, _) in enumerate(names) if value is None]
    if not known:
        return f"<variant {tag}>"
    text = value_text(parts[known[0]], values[1 + known[0]])
    return names[known[0]][1] + ("" if text == "{}" else text)


def _maybe(value: FetchArg, values: Sequence[Value]) -> str:
    """A value, or that there is none."""
    gone = absent(values[:1])
    if gone is not None:
        return str(gone)
    return value_text(value, values[1]) if values[0] else "nullopt"


def _map(values: Sequence[Value]) -> str:
    """A map of Go; a nil one is none."""
    gone = absent(values)
    if gone is not None and values[0]:
        return str(gone)
    return f"{{{values[1]} elements}}" if values[0] else "nil"


def _referred(operand: Operand, found: FetchArg) -> FetchArg:
    """*found*, what the reference *operand* refers to; nothing is fetched of an empty object, but of that."""
    if found.shape is None or found.parts or not isinstance(operand.place, Computed):
        return found
    whole = str(found.shape(()))
    pointer = number(replace(operand, type=VOID.pointer()))

    def text(values: Sequence[Value]) -> str:
        gone = absent(values)
        return whole if gone is None else str(gone)

    return FetchArg("", "", SHAPE, (), parts=(pointer,), shape=text)


def _method(operand: Operand) -> FetchArg:
    """A pointer to a method of C++: the function, or its place in a table, and what is added to ``this``."""
    pointer = replace(operand, type=VOID.pointer())
    parts = number(pointer), number(replace(pointer, place=part_of(operand.place, 8)))
    return _shaped(("{ptr=", " adj=", "}"), parts)


def _is_simple(inner: Type) -> bool:
    """Whether a fetch program reads arrays of it as a whole."""
    is_number = inner.is_number and inner.kind not in (Kind.OTHER, Kind.COMPLEX)
    is_code = inner.kind is Kind.POINTER and inner.target.kind is Kind.CODE
    return is_number and not inner.is_reference and not is_code and inner.size in (1, 2, 4, 8)


def _is_empty(member: Member) -> bool:
    """Whether there is nothing in it: a base, or what Rust has for the sake of types alone."""
    kind = member.type
    if not member.is_base:
        return kind.kind is Kind.STRUCT and not kind.size and kind.complete is not None
    return kind.complete is not None and all(each.is_base and _is_empty(each) for each in kind.members)


def _shaped(texts: Sequence[str], parts: Sequence[FetchArg]) -> FetchArg:
    return FetchArg("", "", SHAPE, (), parts=tuple(parts), shape=Template(tuple(texts), tuple(parts)))


def _is_lost(operand: Operand) -> bool:
    """Whether it would have to be computed, but is wider than what that gives."""
    place = operand.place
    return isinstance(place, Computed) and place.is_value and place.bit + 8 * operand.type.size > 64


def _gone_text(place: Place) -> str:
    return f"<{place.why}>" if isinstance(place, Gone) and place.why else OPTIMIZED_OUT


def _numbers(inner: Type, place: InMemory, count: int) -> FetchArg:
    """An array of numbers, or of pointers to text, in memory."""
    if is_text_pointer(inner):
        ops = (*place.ops, FetchOp(OpCode.DEREF, place.offset), FetchOp(OpCode.ST_STRING, size=4))
        return FetchArg("", "", STRING, (*ops, FetchOp(OpCode.LP_ARRAY, count), END), count)
    kind = fetch_type(inner)
    ops = (*place.ops, FetchOp(OpCode.ST_MEM, place.offset, inner.size))
    ops = (*ops, FetchOp(OpCode.LP_ARRAY, count), END)
    return FetchArg("", "", kind, ops, count, tells=may_fault(place.ops))
