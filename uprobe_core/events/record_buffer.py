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

__all__ = ("RecordBuffer",)

_SIZE = 4096 * 2


class RecordBuffer:
    """The buffer of the one CPU that a virtual machine has."""

    def __init__(self) -> None:
        self._data = bytearray(_SIZE)

    def number(self, arg: FetchArg) -> Value:
        """What *arg* shows if nothing is stored for it."""
        size = arg.type.size
        signed = arg.type.kind == "s"
        places = range(arg.offset, arg.offset + arg.size, size)
        values = [int.from_bytes(self._data[at : at + size], "little", signed=signed) for at in places]
        return tuple(values) if arg.count else values[0]

    def store(self, args: Sequence[FetchArg], values: Sequence[Value]) -> None:
        """Leave a record's *values* behind: numbers in place, strings after all of them."""
        end = sum(arg.size for arg in args)
        for arg, value in zip(args, values, strict=True):
            cells = value if isinstance(value, tuple) else (value,)
            for index, cell in enumerate(cells):
                at = arg.offset + index * arg.type.size
                if arg.type.is_string:
                    end = self._store_text(end, cell)
                elif isinstance(cell, int):
                    size = arg.type.size
                    self._data[at : at + size] = (cell & (1 << 8 * size) - 1).to_bytes(size, "little")

    def _store_text(self, at: int, cell: object) -> int:
        if not isinstance(cell, str):
            return at
        text = cell.encode("utf-8", "surrogateescape") + b"\0"
        self._data[at : at + len(text)] = text
        return at + len(text)
