"""Folded stacks, what flame graph tools read: ``comm;outer;...;inner COUNT`` for each distinct stack."""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from uprobe_core.writer import Record, RunHeader

__all__ = ("FoldedWriter",)


class FoldedWriter:
    """Counts stacks and writes them, sorted, at the end."""

    wants_stacks = True

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream
        self._counts: Counter[str] = Counter()

    def write(self, record: Record) -> None:
        """Count the record's stack; a record without one counts for its event's name."""
        frames = [_frame(name) for name in reversed(record.stack)] or [record.event.name]
        self._counts[";".join([_frame(record.comm), *frames])] += 1

    def close(self) -> None:
        """One line for each stack."""
        for stack, count in sorted(self._counts.items()):
            self._stream.write(f"{stack} {count}\n".encode("utf-8", "surrogateescape"))


def _frame(name: str) -> str:
    """A frame's name without the characters that the format gives a meaning."""
    return name.replace(";", ":").replace("\n", " ")
