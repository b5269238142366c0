"""speedscope's format: what each task was in, and when (its file-format-schema.json, "evented").

Samples are a profile of their own for each task ("sampled"), in which each weighs the same.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from uprobe_core.call_names import CallNames
from uprobe_core.call_pairs import Call, CallPairs, Step, What
from uprobe_core.writer import Record, RunHeader, escaped

__all__ = ("SpeedscopeWriter",)


class SpeedscopeWriter:
    """``--format speedscope``: a profile for each task; what is no call is one of no length."""

    wants_frames = True

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream, self._name = stream, " ".join(header.argv)
        self._pairs, self._names = CallPairs(header.events), CallNames(header.events)
        self._frames: dict[str, int] = {}
        self._profiles: dict[tuple[int, int], dict[str, Any]] = {}
        self._last: dict[tuple[int, int], int] = {}
        self._samples: dict[tuple[int, int], dict[str, Any]] = {}

    def write(self, record: Record) -> None:
        """One record."""
        key = record.pid, record.tid
        if record.event.kind == "i":
            self._sample(key, record)
            return
        self._last[key] = record.timestamp_ns
        for step in self._pairs.take(record):
            self._step(step)

    def _step(self, step: Step) -> None:
        what, call, record = step
        key = record.pid, record.tid
        if what in (What.ENTERED, What.POINT):
            self._put(key, "O", call, _begin(call))
        if what is not What.ENTERED:
            self._put(key, "C", call, record.timestamp_ns)

    def _sample(self, key: tuple[int, int], record: Record) -> None:
        profile = self._samples.get(key)
        if profile is None:
            name = f"{escaped(record.comm)}-{record.tid} samples"
            profile = self._samples[key] = {"type": "sampled", "name": name, "unit": "none"}
            profile |= {"startValue": 0, "endValue": 0, "samples": [], "weights": []}
        profile["samples"].append([self._frame(escaped(name)) for name in reversed(record.stack)])
        profile["weights"].append(1)
        profile["endValue"] += 1

    def _frame(self, name: str) -> int:
        return self._frames.setdefault(name, len(self._frames))

    def _put(self, key: tuple[int, int], kind: str, call: Call, time: int) -> None:
        entry = call.entry
        profile = self._profiles.get(key)
        if profile is None:
            name = f"{escaped(entry.comm)}-{entry.tid}"
            profile = self._profiles[key] = {"type": "evented", "name": name, "unit": "nanoseconds"}
            profile |= {"startValue": time, "endValue": time, "events": []}
        frame = self._frame(escaped(self._names.of(entry.event)))
        events = profile["events"]
        at = max(time, events[-1]["at"]) if events else time
        events.append({"type": kind, "frame": frame, "at": at})
        profile["endValue"] = at

    def close(self) -> None:
        """Calls that never returned end with their task; then the whole document."""
        for step in self._pairs.flush():
            self._step(step)
        for what, call, _ in self._pairs.finish():
            key = call.entry.pid, call.entry.tid
            assert what is What.LEFT
            self._put(key, "C", call, self._last[key])
        document = {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "exporter": "uprobe",
            "name": escaped(self._name),
            "shared": {"frames": [{"name": name} for name in self._frames]},
            "profiles": [*self._profiles.values(), *self._samples.values()],
        }
        self._stream.write(json.dumps(document).encode() + b"\n")


def _begin(call: Call) -> int:
    """When it began: a system call is recorded when it is answered."""
    took = call.entry.values[-1] if call.entry.event.kind == "s" else 0
    return call.entry.timestamp_ns - (took if isinstance(took, int) else 0)
