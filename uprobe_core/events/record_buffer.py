"""What a kernel's buffers still hold where a fetch faults: a number, an array's strings, what a filter sees.

A kernel fills one buffer per CPU for every uprobe event (store_trace_args in
kernel/trace/trace_probe_tmpl.h, 6.12) and gives up on an argument at a faulting
dereference without storing anything, so the record shows what an earlier event
left at that place (recorded: structs-nested, string-arrays).  Whoever reads ``trace``
copies each record to one place (rb_iter_head_event in kernel/trace/ring_buffer.c), so that
what lies behind a record is what a longer one before it had there.  The record of an
event with a filter is made in a page of its own (trace_event_buffer_lock_reserve
in kernel/trace/trace.c); the filter takes an unreadable string for the text that
lies where it would be, which may be an earlier record's (recorded: filter-faults).
Only ``policy=kernel`` does so; elsewhere such a number is 0, such a string none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uprobe_core.event_model import OpCode

if TYPE_CHECKING:
    from uprobe_core.event_model import FetchArg, Value
    from uprobe_core.events.strings import Layout

__all__ = ("LeftText", "RecordBuffer")

_SIZE = 4096 * 2
_ENTRY_HEAD, _RETURN_HEAD = 16, 24
"""Bytes before the arguments: struct trace_entry and one address, or two (struct uprobe_trace_entry_head)."""
_DEREFERENCES = (OpCode.DEREF, OpCode.UDEREF)
_SMALL = 112
"""Bytes of a record whose length is told by one word in front of it (RB_MAX_SMALL_DATA)."""
_LONGEST, _LONGEST_IN_PAGE = 4072, 4088
"""Bytes of a record in the ring buffer, and in the page where it is filtered (recorded: long-records)."""


class LeftText(str):
    """What a kernel compares for an unreadable string: what lies where it would be.  Its length is 0."""

    __slots__ = ()

    def endswith(self, *_: object) -> bool:
        """Nothing: the end is counted from the length."""
        return False


def _text_at(data: bytes, position: int) -> str:
    from uprobe_core.events.strings import text_at

    return text_at(data, position)


class _Compared:
    """A hit with other values."""

    __slots__ = ("_hit", "values")

    def __init__(self, hit: Any, values: tuple[Value, ...]) -> None:
        self._hit, self.values = hit, values

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hit, name)


def may_show_leftovers(args: Sequence[FetchArg], condition: object) -> bool:
    """Whether an earlier record may show in *args*: behind a dereference, in a condition on strings."""
    return any(
        condition is not None if arg.type.is_string and not arg.count else op.code in _DEREFERENCES
        for arg in args
        for op in arg.ops
    )


class RecordBuffer:
    """The buffers of the one CPU that a virtual machine has, as the events of one kind see them.

    :param is_return: whether they are return events, whose records have a longer head
    :param shared: what is held for both kinds: by the buffer that is fetched into, by the page of filtered
        records (from a record's first byte), by the copy of a record that is printed
    """

    def __init__(
        self, is_return: bool = False, shared: tuple[bytearray, bytearray, bytearray] | None = None
    ) -> None:
        self._shared = shared or (bytearray(_SIZE), bytearray(_SIZE), bytearray(_SIZE))
        self._data, self._page, self._printed = self._shared
        self._head = _RETURN_HEAD if is_return else _ENTRY_HEAD
        self._length = 0

    def seen_by(self, *, is_return: bool) -> RecordBuffer:
        """The same buffers for entry or return events."""
        return RecordBuffer(is_return, self._shared)

    def number(self, arg: FetchArg) -> Value:
        """What *arg* shows if nothing is stored for it."""
        size = arg.type.size
        signed = arg.type.kind == "s"
        places = range(arg.offset, arg.offset + arg.size, size)
        values = [int.from_bytes(self._data[at : at + size], "little", signed=signed) for at in places]
        return tuple(values) if arg.count else values[0]

    def store(self, args: Sequence[FetchArg], values: Sequence[Value], strings: Layout | None) -> None:
        """Leave a record behind: its numbers in place, where its *strings* are, and these after all of it."""
        end = self._length = sum(arg.size for arg in args)
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
            self._length += len(strings.area)

    def texts(self, arg: FetchArg, known: int) -> list[str | None]:
        """What the strings of an array show behind its first *known* ones, which are all that was stored."""
        copy = self._copied()
        return [self._shown(copy, self._word(arg, index)) for index in range(known, arg.count)]

    def _shown(self, copy: bytearray, word: int) -> str | None:
        return _text_at(bytes(copy), self._start + (word & 0xFFFF)) if word >> 16 else None

    @property
    def _start(self) -> int:
        """Where a record begins in the copy that is printed: behind one word, or two if it is long."""
        return 4 if self._head + self._length <= _SMALL else 8

    def _copied(self) -> bytearray:
        """The copy that is printed, with the record that was stored last in it."""
        copy, at = self._printed[:], self._start + self._head
        padding = bytes(-(at + self._length) % 4)
        copy[at : at + self._length + len(padding)] = self._data[: self._length] + padding
        return copy

    def recorded(self) -> bool:
        """The record that was stored last will be printed; False if it is too long, and lost."""
        self._printed[:] = self._copied()
        return self.has_room(in_page=False)

    def has_room(self, *, in_page: bool) -> bool:
        """Whether the record that was stored last is made at all, to be filtered or in the ring buffer."""
        return self._head + self._length <= (_LONGEST_IN_PAGE if in_page else _LONGEST)

    def most_text(self, args: Sequence[FetchArg]) -> int | None:
        """How many bytes of strings a record of *args* may have to be printed; None: it cannot have more."""
        if not any(arg.type.is_string and arg.ops[0].code is not OpCode.COMM for arg in args):
            return None
        return _LONGEST - self._head - sum(arg.size for arg in args)

    def _filtered(self) -> None:
        """The record that was stored last is that of an event with a filter."""
        if self._head + self._length <= _LONGEST_IN_PAGE:
            self._page[self._head : self._head + self._length] = self._data[: self._length]

    def compared(
        self, args: Sequence[FetchArg], values: Sequence[Value], *, in_page: bool
    ) -> tuple[Value, ...]:
        """*values* of the record that was stored last, as a condition sees them.

        :param in_page: whether it lies where a filter looks at it; else nothing is known of what follows
        """
        if in_page:
            self._filtered()
        memory = bytes(self._page if in_page else bytes(self._head) + self._data[: self._length])
        return tuple(
            self._compared(memory, arg, value) if arg.type.is_string else value
            for arg, value in zip(args, values, strict=True)
        )

    def condition(
        self, test: Callable[[Any], bool], args: Sequence[FetchArg], in_page: Callable[[], bool]
    ) -> Callable[[Any], bool]:
        """*test* of hits, as a kernel makes it; see :meth:`compared`."""
        return lambda hit: test(_Compared(hit, self.compared(args, hit.values, in_page=in_page())))

    def _compared(self, memory: bytes, arg: FetchArg, value: Value) -> Value:
        first = value[0] if isinstance(value, tuple) else value
        if first is not None:
            return value
        left = LeftText(_text_at(memory, self._word(arg, 0) & 0xFFFF))
        return (left, *value[1:]) if isinstance(value, tuple) else left

    def _word(self, arg: FetchArg, index: int) -> int:
        at = arg.offset + index * arg.type.size
        return int.from_bytes(self._data[at : at + 4], "little")

    def _location(self, end: int, position: int, length: int) -> int:
        """Kernel: make_data_loc, counted from the record's first byte."""
        return length << 16 | self._head + end + position

    def _put(self, at: int, size: int, word: Value) -> None:
        if isinstance(word, int):
            self._data[at : at + size] = (word & (1 << 8 * size) - 1).to_bytes(size, "little")
