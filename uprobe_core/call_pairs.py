"""Calls from records: the entry and the return of one call put together, task by task.

For writers.  A location whose entry and return are both probed gives calls; all
other records are points.  Where the return event has an argument ``$latency`` it
says which entry it belongs to; else it is the newest call of that function.

Where entries say in which frame they are (arguments named SP and LINK), what a longjmp has left is
known by the next call, as a kernel knows it: a stack that has shrunk has no more of its frames.  Where they
say whether the task has jumped meanwhile (JUMPS), the same call in the same frame is told from a tail call.

Several events of one hit, which have one time, are one call, which has the arguments of all: a record waits
for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from uprobe_core.event_model import EventSpec, FetchArg, OpCode, Record

__all__ = ("JUMPS", "LINK", "POINTER", "SP", "Call", "CallPairs", "Step", "What", "is_for_people")

SP, LINK, JUMPS = "_sp", "_lr", "_jumps"
"""Arguments of an entry that are not for people: stack pointer, return address, OpCode.JUMPS there."""
POINTER = "_p_"
"""Before the name of a string it is the name of an argument that is not for people: where the string lies."""
_MAX_AGAIN = 1024
"""Tail calls in one frame whose returns are seen (see uprobe_core.probes.returns)."""
_Places = tuple[int | None, int | None, int | None, int | None]
"""Which of the arguments stack pointer, return address, jumps and latency are."""
_FAR = 1 << 20
"""Bytes from one frame to another that is on another stack, of a signal handler say."""


def is_for_people(name: str) -> bool:
    """Whether an argument of that name is to be shown."""
    return name not in (SP, LINK, JUMPS) and not name.startswith(POINTER)


class What(Enum):
    """What happens to a call."""

    ENTERED = "its entry was recorded"
    RETURNED = "its return was recorded"
    LEFT = "it will not return: its caller did, or its frame is gone"
    POINT = "a record that belongs to no call"


class Call:
    """One call.

    :ivar entry: its record; of a POINT the only one
    :ivar leave: the record of its return, None as long as there is none
    :ivar depth: how many calls of its task it is in
    :ivar frame: stack pointer and return address at its entry, None if that is not known
    :ivar jumps: whether the task has jumped between two calls: no, if it is the same and not 0
    :ivar again: calls right before it in its frame
    :ivar late: of a POINT: it is the return of a call that seemed to be left
    :ivar inherited: of a POINT: it is the return of a call that the process was in when it was forked
    """

    __slots__ = ("again", "depth", "entry", "frame", "inherited", "jumps", "late", "leave")

    def __init__(self, entry: Record, depth: int, frame: tuple[int, int] | None = None) -> None:
        self.entry, self.depth, self.frame = entry, depth, frame
        self.leave: Record | None = None
        self.inherited = self.late = False
        self.jumps = self.again = 0

    @property
    def time(self) -> int:
        """Nanoseconds from entry to return; 0 without a return."""
        return 0 if self.leave is None else self.leave.timestamp_ns - self.entry.timestamp_ns


class Step(NamedTuple):
    """One thing that happens, in the order of time.

    :ivar record: at which it is known
    """

    what: What
    call: Call
    record: Record


class CallPairs:
    """Puts records together.

    :param events: every probed location of the run
    """

    def __init__(self, events: Iterable[EventSpec]) -> None:
        events = list(events)
        entries = {(event.path, event.offset) for event in events if not event.is_return}
        both = entries & {(event.path, event.offset) for event in events if event.is_return}
        self._paired = {event.full_name for event in events if (event.path, event.offset) in both}
        self._places: dict[str | int, _Places] = {event.full_name: _places_of(event) for event in events}
        """By name; of those that are joined by identity."""
        self._joined: dict[tuple[str, ...], tuple[EventSpec, list[tuple[int, int]]]] = {}
        """By the events of one hit one with the arguments of all, and their records and places."""
        self._open: dict[tuple[int, int], list[Call]] = {}
        self._began: dict[tuple[int, int], int] = {}
        """When the first record of a task was made."""
        self._held: list[Record] = []
        """Records of the last hit."""

    def take(self, record: Record) -> Iterator[Step]:
        """What the hit before that of *record* says, if it is of another one."""
        self._began.setdefault((record.pid, record.tid), record.timestamp_ns)
        if self._held and self._is_same_hit(record):
            self._held.append(record)
            return
        yield from self.flush()
        self._held = [record]

    def _is_same_hit(self, record: Record) -> bool:
        """Whether *record* is of the hit whose records wait; an event has one record of a hit."""
        held = self._held[-1]
        return (
            (held.pid, held.tid, held.timestamp_ns) == (record.pid, record.tid, record.timestamp_ns)
            and (held.ip, held.function) == (record.ip, record.function)
            and self._is_call(held)
            and self._is_call(record)
            and all(each.event.full_name != record.event.full_name for each in self._held)
        )

    def _is_call(self, record: Record) -> bool:
        return record.event.full_name in self._paired

    def flush(self) -> Iterator[Step]:
        """What the last hit says: no more records of it will come."""
        if not self._held:
            return
        record, self._held = self._as_one(self._held), []
        calls = self._open.setdefault((record.pid, record.tid), [])
        if not self._is_call(record):
            yield Step(What.POINT, Call(record, len(calls)), record)
        elif record.event.is_return:
            yield from self._returned(calls, record)
        else:
            call = self._entered(record)
            while call.frame is not None and calls and _is_gone(calls, call, call.frame):
                yield Step(What.LEFT, calls.pop(), record)
            call.depth = len(calls)
            call.again = calls[-1].again + 1 if calls and calls[-1].frame == call.frame else 0
            calls.append(call)
            yield Step(What.ENTERED, call, record)

    def _entered(self, record: Record) -> Call:
        sp, link, jumps, _ = self._measured(record)
        call = Call(record, 0, None if sp is None or link is None else (sp, link))
        call.jumps = jumps or 0
        return call

    def _as_one(self, records: list[Record]) -> Record:
        """The records of one hit as one: named as the function is, with the values of each name once."""
        if len(records) == 1:
            return records[0]
        records = sorted(records, key=lambda each: (each.event.resolver is None, not each.event.location))
        names = tuple(each.event.full_name for each in records)
        if names not in self._joined:
            self._joined[names] = event, _ = _joined([each.event for each in records])
            self._places[id(event)] = _places_of(event)
        event, places = self._joined[names]
        return replace(records[0], event=event, values=tuple(records[n].values[at] for n, at in places))

    def _measured(self, record: Record) -> _Places:
        """Stack pointer, return address, jumps and latency, as far as the record has them."""
        event = record.event
        places = self._places.get(id(event)) or self._places[event.full_name]
        found = (record.values[place] if place is not None else None for place in places)
        return tuple(value if isinstance(value, int) else None for value in found)  # type: ignore[return-value]

    def _returned(self, calls: list[Call], leave: Record) -> Iterator[Step]:
        number = self._entry_of(calls, leave)
        if number is None:
            yield from self._returned_alone(calls, leave)
            return
        while len(calls) > number + 1:
            yield Step(What.LEFT, calls.pop(), leave)
        call = calls.pop()
        call.leave = leave
        yield Step(What.RETURNED, call, leave)

    def _returned_alone(self, calls: list[Call], leave: Record) -> Iterator[Step]:
        """The call seemed not to return, or began before its task did, which was forked in it."""
        _, _, _, took = self._measured(leave)
        inherited = took is not None and leave.timestamp_ns - took < self._began[leave.pid, leave.tid]
        while inherited and calls:
            yield Step(What.LEFT, calls.pop(), leave)
        point = Call(leave, len(calls))
        point.inherited, point.late = inherited, not inherited
        yield Step(What.POINT, point, leave)

    def _entry_of(self, calls: list[Call], leave: Record) -> int | None:
        """The number of the call that *leave* ends."""
        _, _, _, took = self._measured(leave)
        same = [n for n in range(len(calls) - 1, -1, -1) if calls[n].entry.ip == leave.function]
        if took is not None and len(same) > 1:
            exact = [n for n in same if leave.timestamp_ns - calls[n].entry.timestamp_ns == took]
            same = exact or same
        return same[0] if same else None

    def finish(self) -> Iterator[Step]:
        """The run is over: its last hit, and what never returned, task by task, the innermost first."""
        yield from self.flush()
        for calls in self._open.values():
            while calls:
                yield Step(What.LEFT, calls[-1], calls.pop().entry)


def _joined(events: Sequence[EventSpec]) -> tuple[EventSpec, list[tuple[int, int]]]:
    """One event for all *events*, called as the first is, and of each argument the event and the place."""
    found: dict[str, tuple[FetchArg, tuple[int, int]]] = {}
    for number, event in enumerate(events):
        for place, arg in enumerate(event.args):
            found.setdefault(arg.name, (arg, (number, place)))
    one = replace(events[0], args=tuple(arg for arg, _ in found.values()))
    return one, [place for _, place in found.values()]


def _places_of(event: EventSpec) -> _Places:
    names = [arg.name for arg in event.args]
    codes = [arg.ops[0].code if arg.ops else None for arg in event.args]  # a structure has parts instead
    sp, link, jumps = (names.index(name) if name in names else None for name in (SP, LINK, JUMPS))
    return sp, link, jumps, codes.index(OpCode.LATENCY) if OpCode.LATENCY in codes else None


def _is_gone(calls: Sequence[Call], new: Call, now: tuple[int, int]) -> bool:
    """Whether a longjmp left the newest of *calls* if *new* begins with the frame *now* in that task.

    A call in the place of another (a tail call) has its stack pointer and its return address; the same
    function with the same is called again, unless the task has not jumped meanwhile.  A call on another
    stack, of a signal handler say, was left if the new one is on a stack that was in use before that.
    """
    frame = calls[-1].frame
    if frame is None:
        return False
    above = now[0] - frame[0]
    if above >= _FAR:
        return any(call.frame is not None and 0 <= call.frame[0] - now[0] < _FAR for call in calls[:-1])
    if above == 0 and now[1] == frame[1]:
        in_its_place = takewhile(lambda call: call.frame == now, reversed(calls))
        same = next((call for call in in_its_place if call.entry.ip == new.entry.ip), None)
        has_jumped = same is not None and (not new.jumps or same.jumps != new.jumps)
        return has_jumped or calls[-1].again > _MAX_AGAIN
    return above >= 0
