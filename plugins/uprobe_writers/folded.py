"""Folded stacks, what flame graph tools read: ``comm;outer;...;inner COUNT`` for each distinct stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import BinaryIO, ClassVar

from uprobe_core.call_names import CallNames
from uprobe_core.errors import UsageError
from uprobe_core.writer import Record, RunHeader
from uprobe_writers.own_amounts import OwnAmounts

__all__ = ("FoldedWriter", "StackCounts")


class StackCounts:
    """Counts stacks, or adds up an argument by stack.

    :param what: the format, for messages
    """

    def __init__(self, header: RunHeader, what: str) -> None:
        self.weight = header.options.get("weight")
        self.unit = self.weight or (
            "samples" if all(event.kind == "i" for event in header.events) else "hits"
        )
        self.counts: Counter[tuple[str, ...]] = Counter()
        names = {arg.name for event in header.events for arg in event.args}
        if self.weight is not None and header.events and self.weight not in names:
            raise UsageError(
                f"format {what}: no event has an argument {self.weight!r}",
                hint=f"arguments: {', '.join(sorted(names)) or 'none'}",
                slug="unknown-field",
            )
        self._own = None if self.weight is None else OwnAmounts(header.events, self.weight, what)
        self._names = CallNames(header.events)

    def take(self, record: Record) -> None:
        """Count the record's stack; a record without one counts for its event's name.

        What a call took by itself counts for the stack that it was in, its function the innermost.
        """
        frames = [frame_text(name) for name in reversed(record.stack)] or [record.event.name]
        own = None if self._own is None else self._own.take(record)
        if own is not None and record.event.is_return and record.stack:
            frames.append(frame_text(self._names.of(record.event)))
        amount = 1 if self.weight is None else _amount(record, self.weight) if own is None else own
        if amount > 0:
            self.counts[frame_text(record.comm), *frames] += amount


def _amount(record: Record, name: str) -> int:
    """The argument *name* as a whole number; 0 of a record that has none."""
    for arg, value in zip(record.event.args, record.values, strict=True):
        if arg.name == name and isinstance(value, int | float):
            return int(value)
    return 0


def frame_text(name: str) -> str:
    """A frame's name without the characters that the format gives a meaning."""
    return name.replace(";", ":").replace("\n", " ")


class FoldedWriter:
    """``--format folded[:weight=ARG]``: stacks, sorted, at the end."""

    wants_stacks = True
    options: ClassVar[Mapping[str, str]] = {"weight": "a number argument to add up instead of counting hits"}

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream
        self._stacks = StackCounts(header, "folded")

    def write(self, record: Record) -> None:
        """Count the record's stack."""
        self._stacks.take(record)

    def close(self) -> None:
        """One line for each stack."""
        lines = sorted((";".join(stack), count) for stack, count in self._stacks.counts.items())
        for stack, count in lines:
            self._stream.write(f"{stack} {count}\n".encode("utf-8", "surrogateescape"))
