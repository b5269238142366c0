"""JSON lines: one object per hit, with typed values."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from uprobe_core.writer import Record, RunHeader

__all__ = ("VERSION", "JsonlWriter", "record_as_json")

VERSION = 1
"""The ``v`` of every object; a field that changes its meaning raises it, a new field does not."""


def record_as_json(record: Record) -> dict[str, Any]:
    """*record* as plain data: numbers as numbers, ``(fault)`` as null, arrays as lists."""
    event = record.event
    return {
        "v": VERSION,
        "event": event.full_name,
        "type": "return" if event.is_return else "entry",
        "ts": record.timestamp_ns,
        "pid": record.pid,
        "tid": record.tid,
        "comm": record.comm,
        "cpu": record.cpu,
        "ip": record.ip,
        "function": record.function,
        "args": {arg.name: value for arg, value in zip(event.args, record.values, strict=True)},
    }


class JsonlWriter:
    """Writes a line for each record."""

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream

    def write(self, record: Record) -> None:
        """One object on one line; bytes that are not UTF-8 appear as lone surrogates, escaped."""
        self._stream.write(json.dumps(record_as_json(record)).encode() + b"\n")

    def lost(self, count: int) -> None:
        """``{"v": 1, "lost": COUNT}``: so many records are missing before the next one."""
        self._stream.write(json.dumps({"v": VERSION, "lost": count}).encode() + b"\n")

    def close(self) -> None:
        """Nothing follows the last line."""
        self._stream.flush()
