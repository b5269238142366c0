"""Chrome's trace-event JSON, which Perfetto's UI opens: tasks as tracks, calls as slices.

Format: "Trace Event Format" (the Chromium project's document of that name):
``X`` complete slices, ``i`` instants, ``s`` and ``f`` ends of flows, ``M`` metadata; times in microseconds.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from uprobe_core.call_names import CallNames
from uprobe_core.call_pairs import Call, CallPairs, Step, What, is_for_people
from uprobe_core.writer import Record, RunHeader, escaped
from uprobe_writers.jsonl import json_value

__all__ = ("ChromeWriter",)

_CLONES = frozenset({"clone", "clone3"})


class ChromeWriter:
    """Writes an object with ``traceEvents``.

    A call whose entry and return are both probed is a slice, so is a system call; one that does not return
    lasts until it was left, else until its task's last record, and says so.  Everything else is an instant.
    """

    wants_frames = True

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream
        self._first = True
        self._pairs, self._names = CallPairs(header.events), CallNames(header.events)
        self._sees_clones = any(event.kind == "s" and event.name in _CLONES for event in header.events)
        self._named: dict[tuple[int, int], str] = {}
        self._last: dict[tuple[int, int], int] = {}
        stream.write(b'{"displayTimeUnit": "ns", "traceEvents": [')

    def write(self, record: Record) -> None:
        """One record: the end of a slice, or an instant."""
        task = record.pid, record.tid
        if self._sees_clones and self._named and task not in self._named:
            self._flow(record, "f", record.tid, _begin(record), bp="e")
        self._name_task(task, record)
        self._last[task] = record.timestamp_ns
        for step in self._pairs.take(record):
            self._step(step)

    def _step(self, step: Step) -> None:
        what, call, record = step
        if what is What.POINT and record.event.kind == "s":
            self._system_call(record)
        elif what is What.POINT:
            self._put(
                {**self._common(record, record.timestamp_ns), "ph": "i", "s": "t", "args": _arguments(record)}
            )
        elif what is not What.ENTERED:
            self._slice(call, record.timestamp_ns)

    def _system_call(self, record: Record) -> None:
        result, begin = record.values[-3], _begin(record)
        if record.event.name in _CLONES and isinstance(result, int) and result > 0:
            self._flow(record, "s", result, begin)
        self._put_slice(record, begin, record.timestamp_ns, _arguments(record))

    def _slice(self, call: Call, end: int) -> None:
        arguments = _arguments(call.entry)
        arguments |= {"returned": False} if call.leave is None else _arguments(call.leave)
        self._put_slice(call.entry, call.entry.timestamp_ns, end, arguments)

    def _put_slice(self, record: Record, begin: int, end: int, arguments: dict[str, Any]) -> None:
        self._put({**self._common(record, begin), "ph": "X", "dur": (end - begin) / 1000, "args": arguments})

    def _flow(self, record: Record, kind: str, number: int, time: int, **more: str) -> None:
        """One end of what leads from a call that makes a task to the first event of that."""
        self._put(
            {**self._common(record, time), "ph": kind, "id": number, "name": "makes", "cat": "tasks", **more}
        )

    def _common(self, record: Record, time: int) -> dict[str, Any]:
        shown = {"name": escaped(self._names.of(record.event)), "cat": record.event.group}
        return {**shown, "pid": record.pid, "tid": record.tid, "ts": time / 1000}

    def _name_task(self, task: tuple[int, int], record: Record) -> None:
        if self._named.get(task) == record.comm:
            return
        self._named[task] = record.comm
        for kind in ("process_name", "thread_name"):
            name = {"name": escaped(record.comm)}
            self._put({"ph": "M", "name": kind, "pid": record.pid, "tid": record.tid, "args": name})

    def _put(self, event: dict[str, Any]) -> None:
        self._stream.write((b"\n" if self._first else b",\n") + json.dumps(event).encode())
        self._first = False

    def close(self) -> None:
        """Calls that did not return end with their tasks; the brackets are closed."""
        for step in self._pairs.flush():
            self._step(step)
        for _, call, _ in self._pairs.finish():
            self._slice(call, self._last[call.entry.pid, call.entry.tid])
        self._stream.write(b"\n]}\n")


def _begin(record: Record) -> int:
    """When it began: a system call is recorded when it is answered."""
    took = record.values[-1] if record.event.kind == "s" else 0
    return record.timestamp_ns - (took if isinstance(took, int) else 0)


def _arguments(record: Record) -> dict[str, Any]:
    """Arguments for the UI; 64-bit numbers as text, since JavaScript rounds them."""
    shown: dict[str, Any] = {}
    for arg, value in zip(record.event.args, record.values, strict=True):
        if not is_for_people(arg.name):
            continue
        large = isinstance(value, int) and abs(value) >= 1 << 53
        shown[arg.name] = str(value) if large else json_value(value)
    return shown
