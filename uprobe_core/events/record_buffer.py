"""What a kernel's record buffer still holds: the value of a number whose dereference faults.

A kernel fills one buffer per CPU for every uprobe event (store_trace_args in
kernel/trace/trace_probe_tmpl.h, 6.12) and gives up on an argument at a faulting
dereference without storing anything, so the record shows what an earlier event
left at that place (recorded: structs-nested).  Only ``policy=kernel`` does so;
elsewhere such a number is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.event_model import FetchArg, Value
    from uprobe_core.events.strings import Layout

__all__ = ("RecordBuffer",)

_SIZE = 4096 * 2
_ENTRY_HEAD, _RETURN_HEAD = 16, 24
"""Bytes before the arguments: struct trace_entry and one address, or two (struct uprobe_trace_entry_head)."""


class RecordBuffer:
    """The buffer of the one CPU that a virtual machine has, as the events of one kind see it.

    :param is_return: whether they are return events, whose records have a longer head
    :param data: what it holds, shared by both kinds
    """

    def __init__(self, is_return: bool = False, data: bytearray | None = None) -> None:
        self._data = bytearray(_SIZE) if data is None else data
        self._head = _RETURN_HEAD if is_return else _ENTRY_HEAD

    def seen_by(self, *, is_return: bool) -> RecordBuffer:
        """The same buffer for entry or return events."""
        return RecordBuffer(is_return, self._data)

    def number(self, arg: FetchArg) -> Value:
        """What *arg* shows if nothing is stored for it."""
        size = arg.type.size
        signed = arg.type.kind == "s"
        places = range(arg.offset, arg.offset + arg.size, size)
        values = [int.from_bytes(self._data[at : at + size], "little", signed=signed) for at in places]
        return tuple(values) if arg.count else values[0]

    def store(self, args: Sequence[FetchArg], values: Sequence[Value], strings: Layout | None) -> None:
        """Leave a record behind: its numbers in place, where its *strings* are, and these after all of it."""
        end = sum(arg.size for arg in args)
        places = iter(() if strings is None else strings.places)
        for arg, value in zip(args, values, strict=True):
            if arg.type.is_string:
                words: Sequence[Value] = [self._location(end, *place) for place in next(places)]
            else:
                words = value if isinstance(value, tuple) else (value,)
            for index, word in enumerate(words):
                self._put(arg.offset + index * arg.type.size, arg.type.size, word)
        if strings is not None:
            self._data[end : end + len(strings.area)] = strings.area

    def _location(self, end: int, position: int, length: int) -> int:
        """Kernel: make_data_loc, counted from the record's first byte."""
        return length << 16 | self._head + end + position

    def _put(self, at: int, size: int, word: Value) -> None:
        if isinstance(word, int):
            self._data[at : at + size] = (word & (1 << 8 * size) - 1).to_bytes(size, "little")
