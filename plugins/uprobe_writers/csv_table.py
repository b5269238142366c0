"""CSV: one row per hit, a column for every argument name of every event (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

from uprobe_core.writer import Record, RunHeader, Value, escaped, escaped_value
from uprobe_writers.columns import FIELDS, column_of

__all__ = ("CsvWriter",)


class CsvWriter:
    """Writes a header row, then a row for each record; an argument that an event lacks is empty."""

    appends = True

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._names = list(dict.fromkeys(arg.name for event in header.events for arg in event.args))
        self._text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        self._rows.writerow([*FIELDS, *map(column_of, self._names)])

    def write(self, record: Record) -> None:
        """One row."""
        values = {arg.name: _cell(v) for arg, v in zip(record.event.args, record.values, strict=True)}
        fixed = (
            record.event.full_name,
            record.timestamp_ns,
            record.pid,
            record.tid,
            escaped(record.comm),
            record.cpu,
            hex(record.ip),
            "" if record.function is None else hex(record.function),
        )
        self._rows.writerow([*fixed, *(values.get(name, "") for name in self._names)])

    def close(self) -> None:
        """Leave the stream open for its owner."""
        self._text.detach()


def _cell(value: Value) -> str | int | float:
    """A value in one cell: an array as ``{a,b}``, an unreadable string as ``(fault)``."""
    if isinstance(value, tuple):
        return "{" + ",".join(str(_cell(each)) for each in value) + "}"
    return "(fault)" if value is None else escaped_value(value)  # type: ignore[return-value]
