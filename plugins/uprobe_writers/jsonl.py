"""JSON lines: one object per hit, with typed values."""

from __future__ import annotations

import json
from math import isfinite, isnan
from typing import Any, BinaryIO

from uprobe_core.writer import FAULT, GONE, Record, RunHeader, Value, escaped, escaped_value

__all__ = ("VERSION", "JsonlWriter", "json_value", "record_as_json")

VERSION = 2
"""The ``v`` of every object; a field that changes its meaning raises it, a new field does not."""


def json_value(value: Value) -> Any:
    """A fetched value in JSON: what could not be read is null, an array a list.

    JSON has no number for "NaN", "Infinity" and "-Infinity", so they are text.
    """
    if isinstance(value, tuple):
        return [json_value(each) for each in value]
    if value is GONE or value is FAULT:
        return None
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return escaped_value(value)


def record_as_json(record: Record) -> dict[str, Any]:
    """*record* as plain data."""
    event = record.event
    return {
        "v": VERSION,
        "event": event.full_name,
        "type": "return" if event.is_return else "entry",
        "timestamp_ns": record.timestamp_ns,
        "pid": record.pid,
        "tid": record.tid,
        "comm": escaped(record.comm),
        "cpu": record.cpu,
        "ip": record.ip,
        "function": record.function,
        "args": {arg.name: json_value(v) for arg, v in zip(event.args, record.values, strict=True)},
    }


class JsonlWriter:
    """Writes a line for each record."""

    appends = True

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream

    def write(self, record: Record) -> None:
        """One object on one line."""
        self._stream.write(json.dumps(record_as_json(record), allow_nan=False).encode() + b"\n")

    def lost(self, count: int) -> None:
        """``{"v": 2, "lost": COUNT}``: so many records are missing before the next one."""
        self._stream.write(json.dumps({"v": VERSION, "lost": count}).encode() + b"\n")

    def close(self) -> None:
        """Nothing follows the last line."""
        self._stream.flush()
