"""Calls from records: the entry and the return of one call put together, task by task.

For writers.  A location whose entry and return are both probed gives calls; all
other records are points.  Where the return event has an argument ``$latency`` it
says which entry it belongs to; else it is the newest call of that function.

Where entries say in which frame they are (arguments named SP and LINK), what a longjmp has left is
known by the next call, as a kernel knows it: a stack that has shrunk has no more of its frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from uprobe_core.event_model import EventSpec, OpCode, Record

__all__ = ("LINK", "POINTER", "SP", "Call", "CallPairs", "Step", "What", "is_for_people")

SP, LINK = "_sp", "_lr"
"""Names of arguments of an entry, which are not for people: stack pointer and return address there."""
POINTER = "_p_"
"""Before the name of a string it is the name of an argument that is not for people: where the string lies."""
_FAR = 1 << 20
"""Bytes from one frame to another that is on another stack, of a signal handler say."""


def is_for_people(name: str) -> bool:
    """Whether an argument of that name is to be shown."""
    return name not in (SP, LINK) and not name.startswith(POINTER)


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
    """

    __slots__ = ("depth", "entry", "frame", "leave")

    def __init__(self, entry: Record, depth: int, frame: tuple[int, int] | None = None) -> None:
        self.entry, self.depth, self.frame = entry, depth, frame
        self.leave: Record | None = None

    @property
    def time(self) -> int:
        """Nanoseconds from entry to return; 0 without a return."""
        return 0 if self.leave is None else self.leave.timestamp_ns - self.entry.timestamp_ns


class Step(NamedTuple):
    """One thing that happens, in the order of time."""

    what: What
    call: Call


class CallPairs:
    """Puts records together.

    :param events: every probed location of the run
    """

    def __init__(self, events: Iterable[EventSpec]) -> None:
        events = list(events)
        entries = {(event.path, event.offset) for event in events if not event.is_return}
        both = entries & {(event.path, event.offset) for event in events if event.is_return}
        self._paired = {event.full_name for event in events if (event.path, event.offset) in both}
        self._latency = {event.full_name: _place_of_latency(event) for event in events if event.is_return}
        self._frames = {event.full_name: _places_of_frame(event) for event in events}
        self._open: dict[tuple[int, int], list[Call]] = {}

    def take(self, record: Record) -> Iterator[Step]:
        """What the next record says."""
        calls = self._open.setdefault((record.pid, record.tid), [])
        if record.event.full_name not in self._paired:
            yield Step(What.POINT, Call(record, len(calls)))
        elif not record.event.is_return:
            frame = self._frame_of(record)
            while frame is not None and calls and _is_gone(calls, frame, record.ip):
                yield Step(What.LEFT, calls.pop())
            call = Call(record, len(calls), frame)
            calls.append(call)
            yield Step(What.ENTERED, call)
        else:
            yield from self._returned(calls, record)

    def _frame_of(self, entry: Record) -> tuple[int, int] | None:
        sp, link = (entry.values[n] if n >= 0 else None for n in self._frames[entry.event.full_name])
        return (sp, link) if isinstance(sp, int) and isinstance(link, int) else None

    def _returned(self, calls: list[Call], leave: Record) -> Iterator[Step]:
        number = self._entry_of(calls, leave)
        if number is None:  # it was entered before this task was forked
            yield Step(What.POINT, Call(leave, len(calls)))
            return
        while len(calls) > number + 1:
            yield Step(What.LEFT, calls.pop())
        call = calls.pop()
        call.leave = leave
        yield Step(What.RETURNED, call)

    def _entry_of(self, calls: list[Call], leave: Record) -> int | None:
        """The number of the call that *leave* ends."""
        place = self._latency[leave.event.full_name]
        same = [n for n in range(len(calls) - 1, -1, -1) if calls[n].entry.ip == leave.function]
        if place is not None and len(same) > 1:
            took = leave.values[place]
            exact = [n for n in same if leave.timestamp_ns - calls[n].entry.timestamp_ns == took]
            same = exact or same
        return same[0] if same else None

    def finish(self) -> Iterator[Step]:
        """The run is over: what never returned, task by task, the innermost first."""
        for calls in self._open.values():
            while calls:
                yield Step(What.LEFT, calls.pop())


def _place_of_latency(event: EventSpec) -> int | None:
    codes = [arg.ops[0].code if arg.ops else None for arg in event.args]  # a structure has parts instead
    return codes.index(OpCode.LATENCY) if OpCode.LATENCY in codes else None


def _places_of_frame(event: EventSpec) -> tuple[int, int]:
    """The numbers of the arguments SP and LINK, -1 if there is none."""
    names = [arg.name for arg in event.args]
    return tuple(names.index(name) if name in names else -1 for name in (SP, LINK))  # type: ignore[return-value]


def _is_gone(calls: Sequence[Call], now: tuple[int, int], function: int) -> bool:
    """Whether a longjmp left the newest of *calls* if *function* begins with the frame *now* in that task.

    A call in the place of another (a tail call) has its stack pointer and its return address; the same
    function with the same is called again.  A call on another stack, of a signal handler say, was left
    if the new one is on a stack that was in use before that.
    """
    frame = calls[-1].frame
    if frame is None:
        return False
    above = now[0] - frame[0]
    if above >= _FAR:
        return any(call.frame is not None and 0 <= call.frame[0] - now[0] < _FAR for call in calls[:-1])
    if above == 0 and now[1] == frame[1]:
        in_its_place = takewhile(lambda call: call.frame == now, reversed(calls))
        return any(call.entry.ip == function for call in in_its_place)
    return above >= 0
