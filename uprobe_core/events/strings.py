"""How the strings of one record get their bytes (store_trace_args, kernel 6.12).

A kernel measures all strings first, reserves that much room behind the fixed
part, and then copies them one after the other.  What could not be measured has
reserved nothing, so in a record with several strings a fault shows in ways
that only this order explains: an argument whose pointer could not be read
keeps its location and shows the string that was copied there next.  Recorded
traces have it, so it is done here in the same order.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("MAX_STRING", "Layout", "Text", "TextState", "lay_out", "place_strings", "read_text", "text_at")

MAX_STRING = 4096
"""The longest string that is measured, NUL included (MAX_STRING_SIZE = PATH_MAX)."""
_PAGE = 4096
_FIRST = 64


class TextState(enum.Enum):
    """How reading a string ended."""

    END = "nul"
    FULL = "full"
    """No NUL within MAX_STRING bytes."""
    FAULT = "fault"
    """Unreadable memory before a NUL."""
    TRACER = "tracer"
    """Not user memory: a task name or a value captured earlier."""


@dataclass(frozen=True, slots=True)
class Text:
    """The readable bytes of a string, without the NUL, and how it ended."""

    data: bytes
    state: TextState

    @property
    def measured(self) -> int:
        """What the first pass reserves for it: bytes with the NUL, 0 when it cannot be measured."""
        ended = self.state in (TextState.END, TextState.TRACER)
        return len(self.data) + 1 if ended and len(self.data) < MAX_STRING else 0

    @property
    def is_odd(self) -> bool:
        """Whether the two passes may disagree about it: readable bytes that do not end in a NUL."""
        return self.state is TextState.FULL or (self.state is TextState.FAULT and self.data != b"")

    def copy(self, room: int) -> tuple[bytes, int]:
        """What the second pass writes when *room* bytes are left, and its result (< 0: no string)."""
        if len(self.data) < room:
            failed = self.state is TextState.FAULT
            return (self.data, -1) if failed else (self.data + b"\0", len(self.data) + 1)
        written = self.data[: room - 1] + b"\0"
        return written, -1 if self.state is TextState.TRACER else room


def read_text(memory: GuestMemory, address: int) -> Text:
    """The string at *address*, up to a NUL, a fault, or MAX_STRING bytes."""
    found = bytearray()
    size = _FIRST
    while len(found) < MAX_STRING:
        size = min(size, _PAGE - address % _PAGE, MAX_STRING - len(found))
        try:
            chunk = memory.read(address, size)
        except MemoryFault as fault:
            return _before_fault(memory, address, fault.address, bytes(found))
        end = chunk.find(0)
        if end >= 0:
            return Text(bytes(found + chunk[:end]), TextState.END)
        found += chunk
        address = (address + size) % (1 << 64)
        size = _PAGE
    return Text(bytes(found), TextState.FULL)


def _before_fault(memory: GuestMemory, address: int, fault: int, found: bytes) -> Text:
    """A fault inside a chunk (pages smaller than ours): what lies before it still counts."""
    if not address < fault < address + _PAGE:
        return Text(found, TextState.FAULT)
    chunk = memory.read(address, fault - address)
    end = chunk.find(0)
    if end >= 0:
        return Text(found + chunk[:end], TextState.END)
    return Text(found + chunk, TextState.FAULT)


def text_at(data: bytes, position: int) -> str:
    """The string at *position* of *data*, which may end without a NUL."""
    end = data.find(0, position)
    return _text(data[position : end if end >= 0 else len(data)])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Layout:
    """The strings of one record as they lie in it.

    :param area: what follows the fixed part of the record
    :param places: of each argument's elements where in *area*, and how many bytes with the NUL; 0: no string.
        An array whose pointer could not be read ends there.
    """

    area: bytes
    places: list[list[tuple[int, int]]]

    @property
    def texts(self) -> list[list[str | None]]:
        """What each argument shows, element by element, as far as it has places."""
        return [[self._shown(*place) for place in places] for places in self.places]

    def _shown(self, position: int, length: int) -> str | None:
        return text_at(self.area, position) if length else None


def lay_out(
    cells: Sequence[Sequence[Text | None]], counts: Sequence[int], room: int
) -> list[list[str | None]]:
    """What each string argument shows: one list per argument, *counts* elements long.

    :param cells: what each argument's elements gave; None where a pointer was unreadable
    :param room: bytes behind the fixed part of the record
    """
    needed = 0
    for texts in cells:
        for text in texts:
            if text is None or text.is_odd:
                return _padded(cells, counts, room)
            needed += text.measured
    if needed > room:
        return _padded(cells, counts, room)
    return [[_text(t.data) if t and t.measured else None for t in texts] for texts in cells]


def _padded(
    cells: Sequence[Sequence[Text | None]], counts: Sequence[int], room: int
) -> list[list[str | None]]:
    """What is found of each argument, and nothing where its array ended before its time."""
    found = place_strings(cells, room).texts
    return [texts + [None] * (count - len(texts)) for texts, count in zip(found, counts, strict=True)]


def place_strings(cells: Sequence[Sequence[Text | None]], room: int) -> Layout:
    """Measure, reserve, copy: the two passes as they are; parameters as of :func:`lay_out`."""
    size = min(sum(_measure(texts) for texts in cells), room)
    area = bytearray(size)
    position, left = 0, size
    locations: list[list[tuple[int, int]]] = []
    for texts in cells:
        places, consumed = _store(texts, area, position, left)
        locations.append(places)
        position += consumed
        left -= consumed
    return Layout(bytes(area), locations)


def _measure(texts: Sequence[Text | None]) -> int:
    return 0 if None in texts else sum(text.measured for text in texts if text)


def _store(
    texts: Sequence[Text | None], area: bytearray, position: int, left: int
) -> tuple[list[tuple[int, int]], int]:
    """Copy one argument's strings; returns (position, length) of each and the bytes consumed."""
    places: list[tuple[int, int]] = []
    total = 0
    for text in texts:
        at, room = position + total, left - total
        if text is None:
            return [*places, (at, room)], 0
        if room == 0:
            places.append((at, 0))
            continue
        written, result = text.copy(room)
        area[at : at + len(written)] = written
        places.append((at, max(result, 0)))
        total += max(result, 0)
    return places, total
