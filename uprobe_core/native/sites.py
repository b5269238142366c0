"""The core's side of native execution: which sites the engine takes, and what it found.

A site is native if the backend can bring its hits to the engine
(:class:`~uprobe_core.native_backend.NativeBackend`).  What the engine cannot do for an
event (:mod:`uprobe_core.native.plan`) it calls Python for.  Other sites run
through the dispatcher; results are equal either way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.call_graph import CallGraph
from uprobe_core.actions.kinds import Action
from uprobe_core.actions.latency import Latency
from uprobe_core.actions.merge import merge
from uprobe_core.native import _engine
from uprobe_core.native.calls import NativeCalls
from uprobe_core.native.followed_returns import FollowedReturns
from uprobe_core.native.packing import pack_registers
from uprobe_core.native.paths import NativePaths
from uprobe_core.native.plan import (
    ActionPlan,
    Chain,
    EventPlan,
    NativeEvent,
    location_program,
    plan_event,
    reads_register,
)
from uprobe_core.native.records import NativeRecords
from uprobe_core.native.results import take
from uprobe_core.native.semantics import Semantics, core_of
from uprobe_core.native.stacks import NativeStacks, StackSource
from uprobe_core.native_backend import NativeBackend
from uprobe_core.probes.registry import Site, Space, Uprobe, accept_all
from uprobe_core.tracing.event import Event, EventProbe
from uprobe_core.types import MemoryFault, Mode

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Process, Task
    from uprobe_core.event_model import Record as TraceRecord

__all__ = ("NativeSites",)

_TALLIES = ("hits", "entries", "returns", *(f"missed {reason}" for reason in _engine.MISSED))
_MOST_KEYS = 1 << 30
_RING = 1 << 18
"""Bytes of records between two drains: small enough to stay in the processor's cache."""


class NativeSites:
    """Everything of a session that runs natively.

    :param mode: as asked for; AUTO lets the backend choose
    :param write: called with each record for the run's output
    :param lost: called with how many of them are gone
    :param keep: how many of them stay in the engine until the end, the last ones; 0: no bound
    :param send: in a forked child, sends a message to the session; None: this is the session
    :param failed: called with (event, sink, exception) when a Python handler or a taker of records raised
    :param vote_out: called with (process, address) when all consumers of a site voted REMOVE
    :param place_again: places a uprobe anew, by the core or by this
    :param current: the running task
    :param plain_records: whether the engine's records are all that the run's writer needs, but of samples
    :param semantics: what else is asked for
    :param stacks: what user stacks are made of
    :param registers: the architecture's
    :ivar records: the reader of its ring
    """

    def __init__(
        self,
        backend: NativeBackend,
        mode: Mode,
        *,
        write: Callable[[TraceRecord], None],
        failed: Callable[[Event, Any, Exception], None],
        vote_out: Callable[[Process, int], None],
        place_again: Callable[[Uprobe], None],
        current: Callable[[], Task],
        lost: Callable[[int], None],
        keep: int = 0,
        semantics: Semantics,
        registers: Registers,
        plain_records: bool = True,
        stacks: StackSource,
    ) -> None:
        self.engine = _engine.Engine(MemoryFault, _RING, pack_registers(registers))
        self.records = NativeRecords(self.engine, write=write, lost=lost, failed=self._sink_failed, keep=keep)
        self.send: Callable[[Any], None] | None = None
        self._backend, self._mode = backend, mode
        self._failed, self._vote_out = failed, vote_out
        self._plain_records, self._current = plain_records, current
        self._events: dict[Event, NativeEvent] = {}
        self._retired: list[NativeEvent] = []
        self.stacks = NativeStacks(self.engine, stacks, current)
        self.records.frames = self.stacks.frames
        self._paths = NativePaths(self.engine)
        self._calls = NativeCalls(
            self.engine,
            registers=registers,
            current=current,
            failed=self._sink_failed,
            unwind=None if self.stacks.works else stacks.stack,
            around=self._paths.now,
        )
        self._semantics, self._state = semantics, registers.state
        self._visible, self._host_pid = semantics.visible, os.getpid()
        self.live = False
        """Whether records are wanted as soon as guest code stops."""
        self.error: Exception | None = None
        self._over = False
        self.engine.set_outside(self._voted_out, self._trampoline)
        self.engine.hijack, self.engine.depth = semantics.hijack, semantics.depth or 0
        self.engine.user_end = semantics.user_end
        self._returns = FollowedReturns(semantics, self.engine.awaited, place_again)
        backend.connect(self.engine, _engine.API, self._who, trap=semantics.trap, visible=semantics.visible)
        if semantics.visible:
            backend.before_run = self._find_area
        backend.after_run = self._after_run

    def _who(self, pid: int, tid: int, comm: str) -> int:
        if self._visible or self._semantics.hijack:
            self._find_area()
        return self.records.who(pid, tid, comm)

    def _find_area(self) -> None:
        """Tell the engine of the running task's XOL area."""
        task = self._current()
        if task is not None:
            self.engine.trampoline = self._semantics.known(task.process)

    def _trampoline(self) -> int:
        """Where a return of the running task that is hijacked for the first time is to come."""
        return self._semantics.trampoline(self._current())

    # --- sites ------------------------------------------------------------------------------------

    def install(self, space: Space, site: Site) -> bool:
        """Place *site* natively if it can be; otherwise nothing has changed.  Raises ProbeError."""
        native = not self._returns.are_pythons(site) and self._install(space, site)
        self._returns.placed(site, native=native)
        return native

    def _install(self, space: Space, site: Site) -> bool:
        calls_python = stops = False
        probes = []
        if len(site.uprobe.links) > _engine.MAX_PROBES:
            return False
        for link in site.uprobe.links:
            probe = link.consumer
            if type(probe) is not EventProbe or link.filter is not accept_all:
                return False
            native = self._event(probe.event)
            program = location_program(native.plan, probe.event, probe.spec)
            if program is None:
                return False
            calls_python |= native.plan.calls_python
            stops |= bool(probe.spec.args) and reads_register(probe.spec, self._state)
            probes.append(self._probe(native, probe, program))
        place = self._paths.place(site.uprobe, [link.consumer.event for link in site.uprobe.links])
        number = self.engine.add_site(site.vaddr, site.offset, probes, place)
        mode = self._mode_of(site, stops=stops or calls_python)
        return self._backend.place(
            space.process, site.vaddr, number, mode, calls_python=calls_python, core=core_of(site)
        )

    def sample(self, probe: EventProbe) -> None:
        """Let samples hit *probe* in the engine, where the backend can."""
        native = self._event(probe.event)
        program = location_program(native.plan, probe.event, probe.spec)
        place = getattr(self._backend, "sample", None)
        if program is not None and place is not None:
            number = self.engine.add_site(0, 0, [self._probe(native, probe, program)])
            place(number)

    def _mode_of(self, site: Site, *, stops: bool) -> Mode:
        if self._visible or site.analysis.special:
            return Mode.INLINE if site.mode is Mode.INLINE else Mode.TRAP
        if stops and self._mode is Mode.JUMP:
            return Mode.TRAP  # a handler may move PC, which takes a stop of its own; a branch changes PSTATE
        return self._mode

    def how(self, site: Site) -> str:
        """How *site* is reached, in a few words."""
        return f"natively by {self._backend.how(site.vaddr)}"

    def remove(self, space: Space, site: Site) -> None:
        """Take *site* out of the program."""
        self._backend.remove(space.process, site.vaddr)

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) is gone."""
        self._backend.forget(process, start, end)

    # --- events -----------------------------------------------------------------------------------

    def _plan(self, event: Event) -> EventPlan:
        plain = self._plain_records and event.spec.kind != "i"
        return plan_event(event, records=plain, fetches=self._semantics.fetches())

    def _event(self, event: Event) -> NativeEvent:
        native = self._events.get(event)
        if native is None:
            native = self._events[event] = NativeEvent(event, self._plan(event))
            self._paths.follow(event)
            native.chain = self._calls.chain(event, native.plan)
        return native

    def _probe(self, native: NativeEvent, probe: EventProbe, program: tuple[bytes, int, bytes, int]) -> int:
        number = native.probes.get(probe)
        if number is None:
            number = self.engine.add_probe(*program, probe.event.is_return, native.chain, native.plan.votes)
            native.probes[probe] = number
            if not native.actions:
                native.actions = [(self._action(probe.event, number, a), a) for a in native.plan.actions]
            self._set(native, probe, number)
        return number

    def _action(self, event: Event, probe: int, plan: ActionPlan) -> int:
        sink = 0
        top = plan.source.top if isinstance(plan.source, Latency) else 0
        if plan.kind == _engine.ACTION_RECORD or top:
            sink = self.records.sink(event, plan)
        elif plan.kind == _engine.ACTION_CALL:
            sink = self._calls.handler(event, plan)
        value = plan.value.pack()
        number = self.engine.add_action(
            probe, plan.kind, plan.hist, plan.parameter, sink, plan.packed_keys, value, plan.tests, plan.texts
        )
        if isinstance(plan.source, Action):
            self.engine.limit_keys(number, min(plan.source.max_keys, _MOST_KEYS))
        if top:
            self.engine.keep_slowest(number, top, plan.source.stack)
        return number

    def _set(self, native: NativeEvent, probe: EventProbe, number: int) -> None:
        event = probe.event
        entry = [n for n, plan in native.actions if not plan.at_return]
        leave = [n for n, plan in native.actions if plan.at_return]
        plan, wants = native.plan, event.wants_returns
        self.engine.set_probe(number, event.enabled, wants, entry, leave, plan.tests, plan.texts)

    def changed(self, event: Event) -> bool:
        """*event* was enabled, disabled, or given other sinks or another filter.

        :returns: whether its sites have to be placed again
        """
        native = self._events.get(event)
        if native is None:
            return False
        plan = self._plan(event)
        if native.plan.is_like(plan):
            native.plan.tests, native.plan.texts = plan.tests, plan.texts
            for probe, number in native.probes.items():
                self._set(native, probe, number)
            return False
        self.sync()
        self._retire(event, native)
        del self._events[event]
        return True

    def _retire(self, event: Event, native: NativeEvent) -> None:
        """Other sinks do the work from now on; those that stay see the calls return that are under way."""
        self._retired.append(native)
        kept = {id(each) for sink in event.sinks for each in (sink, getattr(sink, "action", None))}
        native.actions = [pair for pair in native.actions if id(pair[1].source) in kept]
        if native.plan.chain is Chain.SINK and id(native.plan.sink) not in kept:
            self.engine.drop_chain(native.chain)
        for probe, number in native.probes.items():
            self._set(native, probe, number)

    @property
    def _natives(self) -> list[NativeEvent]:
        return [*self._events.values(), *self._retired]

    def _voted_out(self, address: int) -> None:
        self._vote_out(self._current().process, address)

    # --- records ------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Hand on every record in the ring."""
        self.records.drain()

    def before_fork(self) -> None:
        """A second process is about to write beside this one: what is in the ring comes before it."""
        self.records.drain()
        self.records.keep_all()

    def _sink_failed(self, event: Event, sink: Any, error: Exception) -> None:
        """A sink raised in the middle of a hit: if that ends the run, it does so once guest code stops."""
        try:
            if sink is None:  # all of the event's: it has looked after them itself, and this ends the run
                raise error
            self._failed(event, sink, error)
        except Exception as fatal:
            self.error = fatal
            self._backend.stop()

    def show(self) -> None:
        """Hand on what waits in the ring, unless it is to keep the last records only."""
        if self.engine.records and not self.records.bounded:
            self.drain()

    def _after_run(self) -> None:
        if self.live:
            self.show()
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    # --- results --------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The run is over: a last :meth:`sync`, after which there is nothing to ask the engine for."""
        self.sync()
        self._over = True

    def sync(self) -> None:
        """Let the Python objects know everything that was found until now."""
        if self._over:
            return
        self.drain()
        found: dict[int, tuple[Action, list[Any], list[int]]] = {}
        for native in self._natives:
            for probe, number in native.probes.items():
                self._sync_tallies(probe, number)
            for number, plan in native.actions:
                if plan.result:
                    part, missing = take(self.engine, number, plan.decoder(self.stacks.frames), plan.result)
                    if isinstance(plan.source, CallGraph):
                        part = self._paths.found(plan.source, native.event, part)
                    _, entries, lost = found.setdefault(id(plan.source), (plan.source, [], []))
                    entries += part
                    lost.append(missing)
        for action, entries, lost in found.values():
            if self.send is None:
                merge(action, entries, sum(lost))
            elif entries or sum(lost):
                self.send(("found", action, entries, sum(lost)))

    def _sync_tallies(self, probe: EventProbe, number: int) -> None:
        for what, count in zip(_TALLIES, self.engine.take_probe(number), strict=True):
            if count and self.send is not None:
                self.send(("tallies", probe, what, count))
            elif count:
                probe.tallies[what] += count

    # --- processes --------------------------------------------------------------------------------------

    def ended(self, task: Task, reason: str) -> None:
        """*task* executes another program ("exec") or ends ("exit")."""
        self._host_pid = os.getpid()
        self._backend.end_task(task, reason)
        if reason == "exec":
            self.engine.trampoline = 0
            self.stacks.forget()
        if self.send is not None:
            self.sync()

    def enter_child(self, send: Callable[[Any], None]) -> None:
        """This is a forked process now: what was counted before is the parent's; from here on *send* it."""
        for native in self._natives:
            for number in native.probes.values():
                self.engine.take_probe(number)
            for number, plan in native.actions:
                if plan.result:
                    self.engine.take_action(number)
        self.records.forget()
        self.stacks.forget()
        self.records.keep_all()
        self.send = send

    def forked(self, task: Task) -> None:
        """*task* is a new process and goes on where its parent, which ran last, was."""
        copies = os.getpid() == self._host_pid
        self._host_pid = os.getpid()
        self._backend.inherit(task, copies=copies)
        inherited = self._inherited()
        for probe, count in inherited:
            if self.send is not None:
                self.send(("tallies", probe, "entries", count))
            else:
                probe.tallies["entries"] += count
        if self._semantics.hijack and inherited and not copies:
            self.engine.trampoline = self._semantics.trampoline(task)

    def left(self) -> None:
        """A new process that is not followed may be in this host process: it inherits nothing."""
        self._host_pid = os.getpid()

    def _inherited(self) -> list[tuple[EventProbe, int]]:
        """Calls that the forking task was in: the new process will see them return as well."""
        numbers = [pair for native in self._natives for pair in native.probes.items()]
        pending = [(probe, self.engine.pending(number)) for probe, number in numbers]
        return [(probe, count) for probe, count in pending if count]
