"""What calls took by themselves: a graph of stacks adds what is in a caller to it, so each part counts once.

``$latency`` and ``$insns`` of a return, and the time of a system call, are of the whole call.
"""

from __future__ import annotations

from collections.abc import Iterable

from uprobe_core.errors import UsageError
from uprobe_core.event_model import EventSpec, OpCode, Record

__all__ = ("OwnAmounts",)

_OF_CALLS = (OpCode.LATENCY, OpCode.INSNS)


class OwnAmounts:
    """Takes from each call what the calls in it took.

    A call that was left without a return has no amount: it is its caller's.  One that a process was in when
    it was forked is counted where it was entered.

    :param events: every probed location
    :param weight: the argument that is added up
    :param what: the format, for messages
    :raises UsageError: where it is of whole calls, and an event does not say when they began
    """

    def __init__(self, events: Iterable[EventSpec], weight: str, what: str) -> None:
        events = list(events)
        entries = {(event.path, event.offset) for event in events if event.kind == "p"}
        self._paired = {each.full_name for each in events if (each.path, each.offset) in entries}
        self._places: dict[str, tuple[int, int]] = {}
        """Of what is of calls: which arguments are the amount and the time."""
        self._first: dict[int, int] = {}
        """When the first record of a process was made."""
        self._inside: dict[tuple[int, int], list[tuple[int, int]]] = {}
        """By task the calls that returned and are in no other one so far: when they began, what they took."""
        for event in events:
            amount = _place(event, weight)
            if amount is None:
                continue
            time = _time(event)
            if time is None:
                raise UsageError(
                    f"format {what}: {weight!r} of {event.full_name} is also that of the calls in it",
                    hint="which these are is known with an argument took=$latency beside it",
                    slug="unknown-field",
                )
            self._places[event.full_name] = amount, time

    def take(self, record: Record) -> int | None:
        """What the call of *record* took by itself; None: the record is of no call."""
        first = self._first.setdefault(record.pid, record.timestamp_ns)
        places = self._places.get(record.event.full_name)
        if places is None:
            return None
        amount, took = (record.values[place] for place in places)
        if not isinstance(amount, int) or not isinstance(took, int):
            return 0
        began = record.timestamp_ns - took
        is_forked = record.pid != next(iter(self._first))
        if is_forked and began < first and record.event.full_name in self._paired:
            return 0
        return self._without_inside((record.pid, record.tid), began, amount)

    def _without_inside(self, task: tuple[int, int], began: int, amount: int) -> int:
        inside, own = self._inside.setdefault(task, []), amount
        while inside and inside[-1][0] >= began:
            own -= inside.pop()[1]
        inside.append((began, amount))
        return max(own, 0)


def _place(event: EventSpec, weight: str) -> int | None:
    """Which argument of *event* is *weight* and of a whole call."""
    names = [arg.name for arg in event.args]
    if weight not in names:
        return None
    place = names.index(weight)
    ops = event.args[place].ops
    is_of_call = event.kind == "s" and weight == "took"
    return place if is_of_call or (ops and ops[0].code in _OF_CALLS) else None


def _time(event: EventSpec) -> int | None:
    """Which argument of *event* is the time of the call."""
    for place, arg in enumerate(event.args):
        if (event.kind == "s" and arg.name == "took") or (arg.ops and arg.ops[0].code is OpCode.LATENCY):
            return place
    return None
