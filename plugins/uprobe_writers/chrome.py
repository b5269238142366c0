"""Chrome's trace-event JSON, which Perfetto's UI opens: tasks as tracks, calls as slices.

Format: "Trace Event Format" (the Chromium project's document of that name):
``X`` complete slices, ``i`` instants, ``M`` metadata; times in microseconds.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from uprobe_core.writer import Record, RunHeader, escaped
from uprobe_writers.jsonl import json_value

__all__ = ("ChromeWriter",)


class ChromeWriter:
    """Writes an object with ``traceEvents``.

    A call becomes a slice when both its entry and its return are probed;
    everything else, and an entry whose return was never seen, is an instant.
    """

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream
        self._first = True
        self._named: set[tuple[int, int, str]] = set()
        entries = {(e.path, e.offset) for e in header.events if not e.is_return}
        paired = entries & {(e.path, e.offset) for e in header.events if e.is_return}
        self._paired = {e.full_name for e in header.events if (e.path, e.offset) in paired}
        self._open: dict[int, list[Record]] = {}
        stream.write(b'{"displayTimeUnit": "ns", "traceEvents": [')

    def write(self, record: Record) -> None:
        """One record: opens or closes a slice, or is an instant."""
        self._name_task(record)
        calls = self._open.setdefault(record.tid, [])
        if record.event.full_name not in self._paired:
            self._instant(record)
        elif not record.event.is_return:
            calls.append(record)
        else:
            self._close_call(calls, record)

    def _close_call(self, calls: list[Record], leave: Record) -> None:
        if all(entry.ip != leave.function for entry in calls):
            self._instant(leave)
            return
        while calls:
            entry = calls.pop()
            if entry.ip == leave.function:
                self._slice(entry, leave)
                return
            self._instant(entry)

    def _slice(self, entry: Record, leave: Record) -> None:
        arguments = {**_arguments(entry), **_arguments(leave)}
        duration = (leave.timestamp_ns - entry.timestamp_ns) / 1000
        self._put({**_common(entry), "ph": "X", "dur": duration, "args": arguments})

    def _instant(self, record: Record) -> None:
        self._put({**_common(record), "ph": "i", "s": "t", "args": _arguments(record)})

    def _name_task(self, record: Record) -> None:
        key = (record.pid, record.tid, record.comm)
        if key in self._named:
            return
        self._named.add(key)
        for kind in ("process_name", "thread_name"):
            name = {"name": escaped(record.comm)}
            self._put({"ph": "M", "name": kind, "pid": record.pid, "tid": record.tid, "args": name})

    def _put(self, event: dict[str, Any]) -> None:
        self._stream.write((b"\n" if self._first else b",\n") + json.dumps(event).encode())
        self._first = False

    def close(self) -> None:
        """Calls still open become instants; the brackets are closed."""
        for calls in self._open.values():
            for entry in calls:
                self._instant(entry)
        self._stream.write(b"\n]}\n")


def _common(record: Record) -> dict[str, Any]:
    event = record.event
    return {
        "name": event.name,
        "cat": event.group,
        "pid": record.pid,
        "tid": record.tid,
        "ts": record.timestamp_ns / 1000,
    }


def _arguments(record: Record) -> dict[str, Any]:
    """Arguments for the UI; 64-bit numbers as text, since JavaScript rounds them."""
    shown: dict[str, Any] = {}
    for arg, value in zip(record.event.args, record.values, strict=True):
        large = isinstance(value, int) and abs(value) >= 1 << 53
        shown[arg.name] = str(value) if large else json_value(value)
    return shown
