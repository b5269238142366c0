"""The reader of the engine's ring: from records in memory to trace records and actions.

The ring is read when it is full, when guest code stops and somebody waits for
output, and when results are looked at.  The program waits meanwhile, so that a
slow reader loses nothing.  A bounded run (``--lossy N``) is not read at all
until its end: the ring itself keeps the last N records and counts the others.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.kinds import Action
from uprobe_core.actions.latency import Latency, SlowCall
from uprobe_core.event_model import Record as TraceRecord
from uprobe_core.native import _engine
from uprobe_core.native.packing import value_decoder

if TYPE_CHECKING:
    from uprobe_core.frame import Frame
    from uprobe_core.native.plan import ActionPlan
    from uprobe_core.tracing.event import Event

__all__ = ("NativeRecords",)

HEADER = struct.Struct(_engine.RECORD_LAYOUT)
"""struct up_record: size, sink, who, text size, time, pc, function."""
_WORDS = struct.Struct("<QQ")
_MOST_PEOPLE = 256
"""Tasks that are remembered for their names when no record of theirs is left."""
Consume = Callable[[Any, int, int, int, int, int], None]
"""(buffer, start of the cells, who, time, pc, function)."""


class NativeRecords:
    """Hands the records of one engine on, oldest first.

    :param write: called with each record for the run's output
    :param lost: called with how many records are gone that were not handed on
    :param failed: called with (event, sink, exception) when a consumer of records raised
    :param keep: how many records for the run's output the engine keeps until the end; 0: no bound
    """

    def __init__(
        self,
        engine: Any,
        *,
        write: Callable[[TraceRecord], None],
        lost: Callable[[int], None],
        failed: Callable[[Event, Any, Exception], None],
        keep: int = 0,
    ) -> None:
        self._engine = engine
        self._write = write
        self._lost = lost
        self._failed = failed
        self._consumers: list[Consume] = []
        self._sources: list[tuple[Event, Any]] = []
        self._people: dict[int, tuple[int, int, str]] = {}
        self._numbers: dict[tuple[int, int, str], int] = {}
        self._next = self._last = 0
        self._draining = False
        self.frames: list[Frame] = []
        """What the numbers of frames in records stand for."""
        self.bounded = keep > 0
        """Whether records stay in the engine until the end."""
        engine.keep_last(keep)
        engine.set_drain(self.drain)

    def who(self, pid: int, tid: int, comm: str) -> int:
        """The number by which the records of the task that runs next name it."""
        if len(self._people) > _MOST_PEOPLE and not self._engine.records:
            self._forget_people()
        person = (pid, tid, comm)
        number = self._numbers.setdefault(person, self._next)
        if number == self._next:
            self._people[number] = person
            self._next += 1
        self._last = number
        return number

    def _forget_people(self) -> None:
        """No record is left: nobody is needed but the running task, which was asked for last."""
        person = self._people[self._last]
        self._people.clear()
        self._numbers.clear()
        self._people[self._last] = person
        self._numbers[person] = self._last

    def sink(self, event: Event, plan: ActionPlan) -> int:
        """The number of a new taker of records."""
        if isinstance(plan.source, Action):
            self.keep_all()  # an action has a bound of its own
            slow = isinstance(plan.source, Latency)
            consume = self._for_slowest(event, plan) if slow else self._for_action(event, plan)
        else:
            consume = self._for_output(event, plan)
        self._consumers.append(consume)
        self._sources.append((event, plan.source))
        return len(self._consumers) - 1

    def _for_output(self, event: Event, plan: ActionPlan) -> Consume:
        size, decode = value_decoder(event.spec.args)
        spec, people, is_return = event.spec, self._people, plan.at_return

        def consume(buffer: Any, at: int, who: int, time: int, pc: int, function: int) -> None:
            pid, tid, comm = people[who]
            values = decode(buffer, at, at + size)
            origin = function if is_return else None
            self._write(TraceRecord(spec, time, pid, tid, comm, 0, pc, origin, values))

        return consume

    def _for_action(self, event: Event, plan: ActionPlan) -> Consume:
        size, decode = value_decoder(event.spec.args)
        action, people = plan.source, self._people
        own = list(event.names)
        names = list(action.args or own)
        needs_common = any(name not in own for name in names)

        def consume(buffer: Any, at: int, who: int, _time: int, pc: int, function: int) -> None:
            fields = dict(zip(own, decode(buffer, at, at + size), strict=True))
            if needs_common:
                pid, tid, comm = people[who]
                common = {"pid": pid, "tid": tid, "common_pid": tid, "comm": comm, "ip": function or pc}
                fields = {**common, **fields}
            action.emit({name: fields[name] for name in names})

        return consume

    def _for_slowest(self, event: Event, plan: ActionPlan) -> Consume:
        size, decode = value_decoder(event.spec.args)
        action, people, names = plan.source, self._people, tuple(event.names)

        def consume(buffer: Any, at: int, who: int, time: int, _pc: int, _function: int) -> None:
            latency, count = _WORDS.unpack_from(buffer, at + size)
            numbers = struct.unpack_from(f"<{count}Q", buffer, at + size + _WORDS.size)
            values = decode(buffer, at, at + size + _WORDS.size + 8 * count)
            stack = tuple(self.frames[number] for number in numbers)
            args = dict(zip(names, values, strict=True))
            action.emit(SlowCall(latency, time, *people[who], args, stack))

        return consume

    def drain(self) -> None:
        """Hand on every record in the ring, and tell how many are gone."""
        engine = self._engine
        if self._draining or not (engine.records or engine.dropped):
            return
        self._draining = True
        try:
            gone, engine.dropped = engine.dropped, 0
            if gone:
                self._lost(gone)
            self._hand_on()
        finally:
            engine.reset_ring()
            self._draining = False

    def _hand_on(self) -> None:
        unpack, consumers, header = HEADER.unpack_from, self._consumers, HEADER.size
        with memoryview(self._engine) as view:
            at, end = 0, len(view)
            while at < end:
                size, sink, who, _text, time, pc, function = unpack(view, at)
                try:
                    consumers[sink](view, at + header, who, time, pc, function)
                except Exception as error:
                    self._give_up(sink, error)
                at += size
        if len(self._people) > _MOST_PEOPLE:
            self._forget_people()

    def _give_up(self, sink: int, error: Exception) -> None:
        """A taker of records raised: it is disabled, as one that is called at each hit would be."""
        self._consumers[sink] = _nobody
        self._failed(*self._sources[sink], error)

    def keep_all(self) -> None:
        """From now on hand every record on: others want them, or another process writes beside this one."""
        if self.bounded:
            self.drain()
            self.bounded = False
            self._engine.keep_last(0)

    def forget(self) -> None:
        """What is in the ring is another process's."""
        self._engine.reset_ring()
        self._engine.dropped = 0


def _nobody(_buffer: Any, _at: int, _who: int, _time: int, _pc: int, _function: int) -> None:
    """In place of a taker that is disabled."""
