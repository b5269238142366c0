"""The core's side of native execution: which sites the engine takes, and what it found.

A site is native if everything that is done with its hits can be said to the
engine (:mod:`uprobe_core.native_plan`) and the backend can bring its hits there
(:class:`~uprobe_core.engine.NativeBackend`).  All others run through the
dispatcher; results are equal either way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.actions import Action
from uprobe_core.engine import NativeBackend
from uprobe_core.event_probe import Event, EventProbe, check_vote
from uprobe_core.events.model import Record as TraceRecord
from uprobe_core.native_hits import make_hit
from uprobe_core.native_plan import CALL, RECORD, ActionPlan, EventPlan, plan_event
from uprobe_core.native_programs import value_decoder
from uprobe_core.native_results import merge, take
from uprobe_core.types import HandlerVote, MemoryFault, Mode
from uprobe_core.uprobes import Site, Space, accept_all

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task

__all__ = ("NativeSites",)

HEADER = struct.Struct("<IIIIQQQ")
"""struct up_record: size, sink, who, text size, time, pc, function."""
_TALLIES = ("hits", "entries", "returns", "missed longjmp", "missed exec", "missed exit")
_RING = 1 << 18
"""Bytes of records between two drains: small enough to stay in the processor's cache."""
Consume = Callable[[Any, int, int, int, int, int], None]
"""(buffer, start of the cells, who, time, pc, function)."""


class _NativeEvent:
    """One event's plan with the numbers that the engine gave to its parts."""

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self.actions: list[tuple[int, ActionPlan]] = []
        self.sinks = [action.source for action in plan.actions]
        self.probes: dict[EventProbe, int] = {}


class NativeSites:
    """Everything of a session that runs natively.

    :param mode: as asked for; AUTO lets the backend choose
    :param write: called with each record for the run's output
    :param send: in a forked child, sends a message to the session; None: this is the session
    :param failed: called with (event, sink, exception) when a Python handler raised
    :param vote_out: called with (process, address) when all consumers of a site voted REMOVE
    :param current: the running task
    :param records: whether the engine's records are all that the run's writer needs
    """

    def __init__(
        self,
        backend: NativeBackend,
        mode: Mode,
        *,
        write: Callable[[TraceRecord], None],
        failed: Callable[[Event, Any, Exception], None],
        vote_out: Callable[[Process, int], None],
        current: Callable[[], Task],
        records: bool = True,
    ) -> None:
        from uprobe_core import _engine

        self.engine = _engine.Engine(MemoryFault, _RING)
        self.engine.set_drain(self.drain)
        self.engine.set_outcome(self._handler_outcome)
        self.send: Callable[[Any], None] | None = None
        self._backend = backend
        self._mode = mode
        self._write = write
        self._failed = failed
        self._vote_out = vote_out
        self._records = records
        self._current = current
        self._events: dict[Event, _NativeEvent | None] = {}
        self._consumers: list[Consume] = []
        self._handlers: list[tuple[Event, Any, Any]] = []
        self._people: list[tuple[int, int, str]] = []
        self._draining = self._just_forked = False
        self.live = False
        """Whether records are wanted as soon as guest code stops."""
        self.error: Exception | None = None
        backend.connect(self.engine, self._who)
        backend.after_run = self._after_run

    def _who(self, pid: int, tid: int, comm: str) -> int:
        self._people.append((pid, tid, comm))
        return len(self._people) - 1

    # --- sites ------------------------------------------------------------------------------------

    def install(self, space: Space, site: Site) -> bool:
        """Place *site* natively if it can be; otherwise nothing has changed."""
        calls_python = False
        probes = []
        for link in site.uprobe.links:
            probe = link.consumer
            if type(probe) is not EventProbe or link.filter is not accept_all:
                return False
            native = self._event(probe.event)
            if native is None:
                return False
            if native.plan.calls_python and len(site.uprobe.links) > 1:
                return False  # a vote to remove the site is counted over all its consumers
            calls_python |= native.plan.calls_python
            probes.append(self._probe(native, probe))
        mode = Mode.INLINE if site.analysis.special else self._mode
        if site.analysis.special and site.mode is not Mode.INLINE:
            return False
        if calls_python and mode is Mode.JUMP:
            mode = Mode.TRAP  # a handler may move PC, which takes a stop of its own in a slot's hook
        number = self.engine.add_site(site.vaddr, site.offset, probes)
        return self._backend.place(space.process, site.vaddr, number, mode, calls_python=calls_python)

    def remove(self, space: Space, site: Site) -> None:
        """Take *site* out of the program."""
        self._backend.remove(space.process, site.vaddr)

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) is gone."""
        self._backend.forget(process, start, end)

    # --- events -----------------------------------------------------------------------------------

    def _plan(self, event: Event) -> EventPlan | None:
        plan = plan_event(event)
        if plan is not None and not self._records and any(a.kind == RECORD for a in plan.actions):
            return None
        return plan

    def _event(self, event: Event) -> _NativeEvent | None:
        if event in self._events:
            return self._events[event]
        plan = self._plan(event)
        native = self._events[event] = None if plan is None else _NativeEvent(plan)
        return native

    def _probe(self, native: _NativeEvent, probe: EventProbe) -> int:
        number = native.probes.get(probe)
        if number is None:
            plan = native.plan
            number = self.engine.add_probe(plan.program, plan.room, plan.capture, probe.event.is_return)
            native.probes[probe] = number
            if not native.actions:
                native.actions = [(self._action(probe.event, number, a), a) for a in plan.actions]
            self._set(native, probe, number)
        return number

    def _action(self, event: Event, probe: int, plan: ActionPlan) -> int:
        sink = 0
        if plan.kind == RECORD:
            sink = len(self._consumers)
            self._consumers.append(self._consumer(event, plan))
        elif plan.kind == CALL:
            sink = self._handler(event, plan)
        value = plan.value.pack()
        return self.engine.add_action(
            probe, plan.kind, plan.hist, plan.parameter, sink, plan.packed_keys, value, plan.tests, plan.texts
        )

    def _set(self, native: _NativeEvent, probe: EventProbe, number: int) -> None:
        event = probe.event
        entry = [n for n, plan in native.actions if not plan.at_return]
        leave = [n for n, plan in native.actions if plan.at_return]
        wants_returns = event.wants_returns
        self.engine.set_probe(
            number, event.enabled, wants_returns, entry, leave, native.plan.tests, native.plan.texts
        )

    def changed(self, event: Event) -> bool:
        """*event* was enabled, disabled, or given other sinks or another filter.

        :returns: whether its sites have to be placed again
        """
        native = self._events.get(event)
        plan = self._plan(event)
        same = native is not None and plan is not None and [a.source for a in plan.actions] == native.sinks
        if native is None or plan is None or not same:
            self.sync()
            self._events[event] = None if plan is None else _NativeEvent(plan)
            if native is not None:
                self._retired.append(native)
            return event in self._events
        native.plan.tests, native.plan.texts = plan.tests, plan.texts
        for probe, number in native.probes.items():
            self._set(native, probe, number)
        return False

    @property
    def _retired(self) -> list[_NativeEvent]:
        return self.__dict__.setdefault("_retired_events", [])  # type: ignore[no-any-return]

    # --- Python handlers ----------------------------------------------------------------------------

    def _handler(self, event: Event, plan: ActionPlan) -> int:
        hit = make_hit(self.engine, self._current, event, at_return=plan.at_return)
        function = plan.source.ret_handler if plan.at_return else plan.source.handler
        self._handlers.append((event, plan.source, hit))
        return self.engine.add_handler(function, hit)

    def _handler_outcome(self, number: int, outcome: Any) -> None:
        """A handler raised, or voted."""
        event, sink, hit = self._handlers[number]
        error = outcome if isinstance(outcome, Exception) else check_vote(outcome)
        if error is None:
            if outcome & HandlerVote.REMOVE:
                self._vote_out(self._current().process, hit.address)
            return
        try:
            self._failed(event, sink, error)
        except Exception as fatal:
            self.error = fatal
            self._backend.stop()

    # --- records ------------------------------------------------------------------------------------

    def _consumer(self, event: Event, plan: ActionPlan) -> Consume:
        size, decode = value_decoder(event.spec.args)
        if isinstance(plan.source, Action):
            return self._dict_consumer(event, plan, size, decode)
        spec, people = event.spec, self._people
        is_return = plan.at_return

        def consume(buffer: Any, at: int, who: int, time: int, pc: int, function: int) -> None:
            pid, tid, comm = people[who]
            values = decode(buffer, at, at + size)
            origin = function if is_return else None
            self._write(TraceRecord(spec, time, pid, tid, comm, 0, pc, origin, values))

        return consume

    def _dict_consumer(self, event: Event, plan: ActionPlan, size: int, decode: Any) -> Consume:
        action = plan.source
        names = list(action.args or event.names)
        own = list(event.names)
        people = self._people
        rest = [name for name in names if name not in own]

        def consume(buffer: Any, at: int, who: int, _time: int, pc: int, function: int) -> None:
            fields = dict(zip(own, decode(buffer, at, at + size), strict=True))
            if rest:
                pid, tid, comm = people[who]
                common = {"pid": pid, "tid": tid, "common_pid": tid, "comm": comm, "ip": function or pc}
                fields = {**common, **fields}
            action.emit({name: fields[name] for name in names})

        return consume

    def drain(self) -> None:
        """Hand on every record in the ring."""
        if self._draining or not self.engine.records:
            return
        self._draining = True
        unpack, consumers, header = HEADER.unpack_from, self._consumers, HEADER.size
        try:
            with memoryview(self.engine) as view:
                at, end = 0, len(view)
                while at < end:
                    size, sink, who, _text, time, pc, function = unpack(view, at)
                    consumers[sink](view, at + header, who, time, pc, function)
                    at += size
        finally:
            self.engine.reset_ring()
            self._draining = False

    def _after_run(self) -> None:
        if self.live and self.engine.records:
            self.drain()
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    # --- results --------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Let the Python objects know everything that was found until now."""
        self.drain()
        natives = [n for n in [*self._events.values(), *self._retired] if n is not None]
        found: dict[int, tuple[Action, list[Any]]] = {}
        for native in natives:
            for probe, number in native.probes.items():
                self._sync_tallies(probe, number)
            for number, plan in native.actions:
                if plan.result:
                    part = take(self.engine, number, plan.decoder, plan.result)
                    found.setdefault(id(plan.source), (plan.source, []))[1].extend(part)
        for action, entries in found.values():
            if entries and self.send is not None:
                self.send(("found", action, entries))
            elif entries:
                merge(action, entries)

    def _sync_tallies(self, probe: EventProbe, number: int) -> None:
        for what, count in zip(_TALLIES, self.engine.take_probe(number), strict=True):
            if count and self.send is not None:
                self.send(("tallies", probe, what, count))
            elif count:
                probe.tallies[what] += count

    # --- processes --------------------------------------------------------------------------------------

    def ended(self, task: Task, reason: str) -> None:
        """*task* executes another program ("exec") or ends ("exit")."""
        self._backend.end_task(task, reason)
        if self.send is not None:
            self.sync()

    def enter_child(self, send: Callable[[Any], None]) -> None:
        """This is a forked process now: what was counted before is the parent's; from here on *send* it."""
        for native in [n for n in [*self._events.values(), *self._retired] if n is not None]:
            for number in native.probes.values():
                self.engine.take_probe(number)
            for number, plan in native.actions:
                if plan.result:
                    self.engine.take_action(number)
        self.engine.reset_ring()
        self.send = send
        self._just_forked = True

    def forked(self, task: Task) -> None:
        """*task* is a new process; in a forked host process it goes on where its parent was."""
        if not self._just_forked or self.send is None:
            return
        self._just_forked = False
        self._backend.inherit(task)
        for probe, count in self._inherited():
            self.send(("tallies", probe, "entries", count))

    def _inherited(self) -> list[tuple[EventProbe, int]]:
        """Calls that the forking task was in: this process will see them return as well."""
        numbers = [pair for native in self._events.values() if native for pair in native.probes.items()]
        pending = [(probe, self.engine.pending(number)) for probe, number in numbers]
        return [(probe, count) for probe, count in pending if count]
