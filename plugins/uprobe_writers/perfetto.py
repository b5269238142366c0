"""Perfetto's own format: tasks are tracks, calls slices with arguments, forks flows, numbers counters,
samples those of perf.

Field numbers: protos/perfetto/trace/{trace,trace_packet}.proto, track_event/*.proto,
interned_data/*.proto and profiling/profile_{common,packet}.proto of the Perfetto project.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

from uprobe_core.call_names import CallNames
from uprobe_core.call_pairs import CallPairs, Step, What, is_for_people
from uprobe_core.writer import Record, RunHeader, Value, escaped
from uprobe_writers.protobuf import fixed64, message, number, text

__all__ = ("PerfettoWriter",)

_PACKET = 1
_TIMESTAMP, _SEQUENCE, _EVENT, _FLAGS, _DESCRIPTOR = 8, 10, 11, 13, 60
_UUID, _NAME, _PROCESS, _THREAD, _PARENT, _COUNTER = 1, 2, 3, 4, 5, 8
_ANNOTATION, _TYPE, _TRACK, _CATEGORY, _LABEL, _COUNT, _FLOW, _END_OF_FLOW = 4, 9, 11, 22, 23, 30, 47, 48
_BEGIN, _END, _INSTANT, _COUNTED = 1, 2, 3, 4
_UNSIGNED, _SIGNED, _DOUBLE, _TEXT, _POINTER, _ANNOTATION_NAME = 3, 4, 5, 6, 7, 10
_INTERNED, _SAMPLE = 12, 66
_FUNCTION, _FRAME, _STACK, _MAPPING = 5, 6, 7, 19
_IID, _VALUE = 1, 2
_CLONES = frozenset({"clone", "clone3"})


class PerfettoWriter:
    """``--format perfetto[:counter=ARG]``, for ui.perfetto.dev and its trace processor."""

    wants_frames = True
    options: ClassVar[Mapping[str, str]] = {"counter": "an argument whose values are a counter as well"}

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream = stream
        self._counter = header.options.get("counter")
        self._pairs, self._names = CallPairs(header.events), CallNames(header.events)
        self._sees_clones = any(event.kind == "s" and event.name in _CLONES for event in header.events)
        self._tracks: dict[object, tuple[int, tuple[bytes, ...]]] = {}
        """Of each track its number, and how it was described last: a program that is executed renames it."""
        self._frames: dict[str, int] = {}
        self._stacks: dict[tuple[str, ...], int] = {}
        self._put(number(_FLAGS, 1))  # SEQ_INCREMENTAL_STATE_CLEARED

    def write(self, record: Record) -> None:
        """One record: the begin or the end of a slice, or an instant."""
        if record.event.kind == "i":
            self._sample(record)
            return
        for step in self._pairs.take(record):
            self._step(step)

    def _step(self, step: Step) -> None:
        what, _, record = step
        if what is What.LEFT:
            self._event(record, _END, record.timestamp_ns)
            return
        if what is What.ENTERED:
            self._event(record, _BEGIN, record.timestamp_ns, arguments=record)
        elif what is What.RETURNED:
            self._event(record, _END, record.timestamp_ns, arguments=record)
        elif record.event.kind == "s":
            self._system_call(record)
        else:
            self._event(record, _INSTANT, record.timestamp_ns, arguments=record)
        self._count(record)

    def _system_call(self, record: Record) -> None:
        *_, result, _error, took = record.values
        begin = record.timestamp_ns - (took if isinstance(took, int) else 0)
        made = record.event.name in _CLONES and isinstance(result, int) and result > 0
        flow = fixed64(_FLOW, result) if made and isinstance(result, int) else b""
        self._event(record, _BEGIN, begin, flow, arguments=record)
        self._event(record, _END, record.timestamp_ns)

    def _event(
        self, record: Record, kind: int, time: int, flow: bytes = b"", *, arguments: Record | None = None
    ) -> None:
        track, first = self._task(record)
        if self._sees_clones and first and len(self._tracks) > 2:  # not the first task's own
            flow += fixed64(_END_OF_FLOW, record.tid)
        event = record.event
        name = text(_LABEL, escaped(self._names.of(event))) if kind != _END else b""
        notes = b"" if arguments is None else _annotations(arguments)
        parts = (number(_TYPE, kind), number(_TRACK, track), text(_CATEGORY, event.group), name, flow, notes)
        self._put(number(_TIMESTAMP, time), message(_EVENT, *parts))

    def _sample(self, record: Record) -> None:
        self._task(record)
        interned: list[bytes] = []
        if not self._stacks:
            interned.append(message(_MAPPING, number(_IID, 1)))
        stack = self._stacks.get(record.stack)
        if stack is None:
            stack = self._stacks[record.stack] = len(self._stacks) + 1
            frames = [number(_VALUE, self._frame(name, interned)) for name in reversed(record.stack)]
            interned.append(message(_STACK, number(_IID, stack), *frames))
        sample = (number(1, record.cpu), number(2, record.pid), number(3, record.tid), number(4, stack))
        self._put(
            number(_TIMESTAMP, record.timestamp_ns),
            number(_FLAGS, 2),  # SEQ_NEEDS_INCREMENTAL_STATE
            message(_INTERNED, *interned) if interned else b"",
            message(_SAMPLE, *sample, number(5, 2)),  # MODE_USER
        )

    def _frame(self, name: str, interned: list[bytes]) -> int:
        """The number of a frame, which is told of in *interned* where it is new."""
        known = self._frames.get(name)
        if known is None:
            known = self._frames[name] = len(self._frames) + 1
            interned.append(message(_FUNCTION, number(_IID, known), text(_VALUE, escaped(name))))
            interned.append(message(_FRAME, number(_IID, known), number(2, known), number(3, 1)))
        return known

    def _count(self, record: Record) -> None:
        """The counter's next value, if the record has it."""
        for arg, value in zip(record.event.args, record.values, strict=True):
            if arg.name == self._counter and isinstance(value, int):
                key = (record.pid, record.event.full_name)
                name = text(_NAME, f"{record.event.name} {arg.name}")
                parent = number(_PARENT, self._process(record))
                track, _ = self._track(key, name, message(_COUNTER), parent)
                event = (number(_TYPE, _COUNTED), number(_TRACK, track), number(_COUNT, value))
                self._put(number(_TIMESTAMP, record.timestamp_ns), message(_EVENT, *event))

    def _process(self, record: Record) -> int:
        described = message(_PROCESS, number(1, record.pid), text(6, escaped(record.comm)))
        return self._track(record.pid, described)[0]

    def _task(self, record: Record) -> tuple[int, bool]:
        """The track of a record's task, and whether it is new."""
        parent = number(_PARENT, self._process(record))
        described = message(
            _THREAD, number(1, record.pid), number(2, record.tid), text(5, escaped(record.comm))
        )
        return self._track((record.pid, record.tid), parent, described)

    def _track(self, key: object, *described: bytes) -> tuple[int, bool]:
        uuid, last = self._tracks.get(key, (len(self._tracks) + 1, None))
        if last != described:
            self._tracks[key] = uuid, described
            self._put(message(_DESCRIPTOR, number(_UUID, uuid), *described))
        return uuid, last is None

    def _put(self, *parts: bytes) -> None:
        self._stream.write(message(_PACKET, *parts, number(_SEQUENCE, 1)))

    def close(self) -> None:
        """The last hit; slices that have no end yet stay so: their calls did not return."""
        for step in self._pairs.flush():
            self._step(step)


def _annotations(record: Record) -> bytes:
    return b"".join(
        message(_ANNOTATION, text(_ANNOTATION_NAME, arg.name), _annotated(arg, value))
        for arg, value in zip(record.event.args, record.values, strict=True)
        if is_for_people(arg.name)
    )


def _annotated(arg: Any, value: Value) -> bytes:
    if isinstance(value, int):
        kind = {"s": _SIGNED, "x": _POINTER}.get(arg.type.kind, _UNSIGNED)
        return number(kind, value)
    if isinstance(value, float):
        return fixed64(_DOUBLE, struct.unpack("<Q", struct.pack("<d", value))[0])
    if isinstance(value, tuple):
        return text(_TEXT, "{" + ",".join(escaped(str(each)) for each in value) + "}")
    return text(_TEXT, "(fault)" if value is None else escaped(value))
