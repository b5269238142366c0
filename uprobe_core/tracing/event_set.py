"""The events of one session: parsed, given sinks, turned into uprobes, and summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from uprobe_core.actions.base import Action
from uprobe_core.errors import ProbeError, UsageError
from uprobe_core.event_model import DeleteSpec, EventSpec
from uprobe_core.events.in_order import InOrder
from uprobe_core.events.record_buffer import RecordBuffer, may_show_leftovers
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.setup_words import TRACE
from uprobe_core.tracing.findings import Findings
from uprobe_core.tracing.indirect import Indirect, uprobes_of
from uprobe_core.tracing.lives import Lives
from uprobe_core.tracing.place_check import PlaceCheck, file_of
from uprobe_core.types import Policy

if TYPE_CHECKING:
    from uprobe_core.events.kernel_self import KernelSelf
    from uprobe_core.events.table import EventTable
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import ConsumerUse, EventLine, FunctionOf
    from uprobe_core.tracing.event import Event, EventProbe, Sink
    from uprobe_core.tracing.state import TracingState

__all__ = ("EventSet",)

T = TypeVar("T")


class EventSet:
    """Events by name, in the order in which they were added."""

    def __init__(
        self,
        policy: Policy,
        arch: ArchOps,
        files: GuestFiles,
        on_error: Callable[[Event, Sink, Exception], None],
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._made_of = policy, arch, files
        self.kernel: KernelSelf | None = None
        """What is known of the kernel itself; None outside of policy=kernel."""
        if policy.is_kernel:
            from uprobe_core.events.kernel_self import kernel_self

            self.kernel = kernel_self(policy)
            _ = self.table  # which refuses a kernel that the language does not know
        self.events: InOrder[Event] = InOrder()
        self._on_error = on_error
        self._warn = warn
        self.for_records: set[str] = set()
        """Events (GROUP/NAME) that are there for those who read records."""
        self.brought: set[str] = set()
        """Events (GROUP/NAME) that are there for the consumer that asked for them."""
        self.lives = Lives(on_error)
        self.findings = Findings(self.lives)
        self._named: defaultdict[str, InOrder[Event]] = defaultdict(InOrder)
        """Events by NAME and by GROUP/NAME."""
        self._probes: dict[int, EventProbe] = {}
        """Locations by the id() of their specs."""
        self._with_triggers: list[Event] = []
        self._to_ask: list[EventProbe] = []
        self.soon: Callable[[Callable[[], None]], None] = lambda function: function()
        """Calls a function at the next safe point."""
        self.refused: Callable[[ProbeError], None] = lambda error: warn(str(error))
        """Told of a place that turned out to be impossible while the program ran."""
        self._changed: Callable[[Event], None] | None = None
        self._buffer = RecordBuffer() if policy.is_kernel else None

    @cached_property
    def table(self) -> EventTable:
        """The lines that there are."""
        from uprobe_core.tracing.language import make_table

        return make_table(*self._made_of)

    @property
    def shows_leftovers(self) -> bool:
        """Whether something may depend on what an earlier event left: see record_buffer."""
        return any(may_show_leftovers(e.spec.args, e.filter or e.triggers) for e in self.events)

    @property
    def location_count(self) -> int:
        """How many places are probed."""
        return sum(len(event.probes) for event in self.events if event.spec.is_placed)

    # --- adding -------------------------------------------------------------------------------------

    def locations(self) -> list[EventProbe]:
        """Those of all events."""
        return [probe for event in self.events for probe in event.probes]

    def add_line(self, line: EventLine) -> list[EventSpec]:
        """Do what one line says; returns the locations that it made."""
        return [probe.spec for probe in self.change_line(line)[0]]

    def change_line(self, line: EventLine) -> tuple[list[EventProbe], list[EventProbe]]:
        """Do what one line says: the locations that it made, and those to take out."""
        from uprobe_core.tracing.placeless import placeless_specs

        made: list[EventProbe] = []
        gone: list[EventProbe] = []
        specs = placeless_specs(line.text, self.table.language)
        if specs is not None:
            return [self._add(spec) for spec in specs if self.named(spec.full_name) is None], gone
        for command in self.table.language.parse(line.text):
            if isinstance(command, DeleteSpec):
                gone += self._forget(self.table.delete(command))
            else:
                spec = command
                if line.function is not None:
                    spec = replace(command, location=line.function.name, is_named=False)
                self.table.add(spec)
                made.append(self._add(spec))
                if line.function is not None:
                    self._note_function(line.function, spec.full_name)
        return made, gone

    def _note_function(self, function: FunctionOf, full_name: str) -> None:
        self.findings.functions.add(full_name)
        if function.is_return:
            self.for_records.add(full_name)

    def for_consumer(self, use: ConsumerUse) -> Sequence[Event]:
        """The events that a consumer is for; raises UsageError if there is none of that name.

        Some are there for others: those that one consumer has brought, and those of records.
        """
        if use.event is not None:
            return self.find(use.event)
        if use.name == TRACE:
            return list(self.events)
        theirs = self.for_records | self.brought
        return [each for each in self.events if each.full_name not in theirs]

    def bring(self, lines: Sequence[str], source: str) -> list[Event]:
        """The events of *lines*, which a consumer, *source*, has for itself; SpecError, UsageError."""
        from uprobe_core.tracing.placeless import placeless_specs

        specs = [spec for text in lines for spec in placeless_specs(text, self.table.language) or ()]
        for spec in specs:
            known = self.named(spec.full_name)
            if known is None:
                self._add(spec)
            elif known.spec != spec:
                text = f"{source} asks for {spec.line}, and there is {known.spec.line} already"
                raise UsageError(text, hint="one run has samples at one distance")
            self.brought.add(spec.full_name)
        return [event for spec in specs for event in self.find(spec.full_name)]

    def _add(self, spec: EventSpec) -> EventProbe:
        from uprobe_core.tracing.event import Event, EventProbe

        event = self.named(spec.full_name)
        if event is None:
            event = Event(spec, self._on_error, self._buffer, self.findings.readable_of)
            if self.kernel is not None:
                event.number = self.kernel.next_number(map(attrgetter("number"), self.events))
            event.on_change = self._changed
            self._put(event)
        event.add_location(spec)
        probe = self._probes[id(spec)] = EventProbe(spec, event)
        if self.table.undo is not None:
            self.table.undo.append(lambda: self._probes.pop(id(spec)))
        for group in (event.probes, self.findings.probes):
            self._join(group, probe)
        return probe

    def _put(self, event: Event) -> None:
        for group in self._groups_of(event):
            self._join(group, event)

    def _groups_of(self, event: Event) -> tuple[InOrder[Event], ...]:
        return self.events, self._named[event.full_name], self._named[event.name]

    def remove(self, events: Sequence[Event]) -> list[EventProbe]:
        """Forget *events*, so that their names are free; returns the locations to take out.

        What they found stays.  Events that were removed before are no error.
        """
        gone = [probe.spec for event in events if event in self.events for probe in event.probes]
        self.table.drop(gone)
        return self._forget(gone)

    def _forget(self, specs: Iterable[EventSpec]) -> list[EventProbe]:
        """The table has *specs* no more; returns what was placed and is to be taken out."""
        placed = []
        for spec in specs:
            probe = self._probes.pop(id(spec))
            self._note(lambda spec=spec, probe=probe: self._probes.__setitem__(id(spec), probe))  # type: ignore[misc]
            self._leave(probe.event.probes, probe)
            if probe.uprobe is not None:
                placed.append(probe)
            else:
                self._leave(self.findings.probes, probe)
            if not probe.event.probes:
                for group in self._groups_of(probe.event):
                    self._leave(group, probe.event)
        return placed

    # --- undoing ------------------------------------------------------------------------------------

    def state(self) -> Callable[[], None]:
        """What there is now, as a function that goes back to it."""
        undo = self.table.undo = []
        actions, attached = len(self.findings.actions), len(self.lives)

        def restore() -> None:
            self.table.undo = None
            for each in reversed(undo):
                each()
            self.findings.drop_actions(actions)
            self.lives.keep(attached)

        return restore

    def _note(self, undo: Callable[[], object]) -> None:
        if self.table.undo is not None:
            self.table.undo.append(undo)

    def _join(self, group: InOrder[T], item: T) -> None:
        group.add(item)
        if self.table.undo is not None:
            self.table.undo.append(lambda: group.remove(item))

    def _leave(self, group: InOrder[T], item: T) -> None:
        number = group.remove(item)
        self._note(lambda: group.put_back(item, number))

    def specs(self) -> list[EventSpec]:
        """All locations, and events that are in no place."""
        return [*self.table, *(event.spec for event in self.events if not event.spec.is_placed)]

    def probe_named(self, full_name: str) -> EventProbe | None:
        """The first location of the event ``GROUP/NAME``, None if there is none."""
        event = self.named(full_name)
        return None if event is None else next(iter(event.probes), None)

    def named(self, full_name: str) -> Event | None:
        """The event ``GROUP/NAME``, None if there is none."""
        return next(iter(self._named.get(full_name, ())), None)

    def find(self, name: str) -> list[Event]:
        """Events called *name*, [GROUP/]NAME; raises UsageError with near names if there is none."""
        found = list(self._named.get(name, ())) or [e for e in self.events if e.readable == name]
        if not found:
            from difflib import get_close_matches

            names = [e.full_name for e in self.events] + [e.name for e in self.events]
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"events: {', '.join(names) or 'none'}"
            raise UsageError(f"no event is called {name!r}", hint=hint, slug="unknown-event")
        return found

    def attach(self, event: Event, sink: Sink, spool: Spool, source: object, called: str = "") -> None:
        """Attach *sink*, as :meth:`Event.add`; an action's results in forked children go through *spool*."""
        event.add(sink, called)
        self.lives.add(event, sink, source)
        self._follow(event)
        self._note(lambda: self._detach(event, sink))
        if isinstance(source, Action):
            self.findings.take(source, spool)

    def _detach(self, event: Event, sink: Sink) -> None:
        event.remove(sink)
        self._follow(event)

    def _follow(self, event: Event) -> None:
        """*event* has gained or lost a sink."""
        for probe in event.probes:
            had_filter = probe.filter is not None
            probe.follow()
            if probe.uprobe is not None:
                probe.uprobe.refresh(probe)
                if had_filter or probe.filter is not None:
                    self._to_ask.append(probe)

    def ask_filters(self, registry: UprobeRegistry) -> None:
        """At a safe point: consumers came or went whose filters decide where the probes are."""
        asked, self._to_ask = self._to_ask, []
        for probe in asked:
            if probe.uprobe is not None:
                for uprobe in uprobes_of(probe):
                    registry.ask_filters(uprobe)

    def set_filter(self, name: str, expression: str) -> None:
        """Give the events called *name* a filter; "0" clears it.  Raises SpecError."""
        from uprobe_core.events.filters import parse_filter

        for event in self.find(name):
            parsed = None if expression.strip() == "0" else parse_filter(expression, event)
            event.filter = None if parsed is None else event.condition(parsed.test)
            event.filter_ops = None if parsed is None else parsed.ops
            event.changed()

    def follow_changes(self, changed: Callable[[Event], None], sync: Callable[[], None]) -> None:
        """Tell *changed* of events that change, and have *sync* called before results are looked at."""
        self._changed, self.findings.sync = changed, sync
        for event in self.events:
            event.on_change = changed

    @property
    def tracing(self) -> TracingState:
        """What the triggers of all events share."""
        return self.findings.tracing

    def add_trigger(self, name: str, text: str, session: Any) -> None:
        """Give the events called *name* a trigger.  Raises SpecError."""
        from uprobe_core.tracing.triggers import attach_trigger

        for event in self.find(name):
            enabled = attach_trigger(self, event, text, session)
            self._with_triggers += [each for each in enabled if each not in self._with_triggers]
            event.changed()

    # --- placing ------------------------------------------------------------------------------------

    def install(self, probes: Iterable[EventProbe], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Turn *probes* into uprobes, all of them or none; raises ProbeError."""
        done: list[EventProbe] = []
        new = self._unplaced(probes)
        if registry.policy.is_kernel:
            # A kernel calls the consumers of one place newest first.  Enabling a group enables
            # its events newest first, which cancels out; the groups follow each other.
            groups = {group: -n for n, group in enumerate(dict.fromkeys(p.event.group for p in new))}
            new.sort(key=lambda probe: groups[probe.event.group])
        # A trigger enables its target and its own event when it is written, before any group.
        early = {event: -n for n, event in enumerate(self._with_triggers, 1)}
        new.sort(key=lambda probe: early.get(probe.event, -len(early) - 1))
        try:
            with files.remembering(), registry.at_rest():
                self._look_at(new, registry, files)
                for probe in new:
                    self._register(probe, registry, files)
                    done.append(probe)
        except BaseException:
            self.uninstall(done, registry)
            raise

    def check(self, probes: Iterable[EventProbe], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Raise the ProbeError that :meth:`install` would raise now; nothing changes."""
        new = self._unplaced(probes)
        with files.remembering(), registry.at_rest():
            self._look_at(new, registry, files)
            for spec in (probe.spec for probe in new):
                file = file_of(spec, files)
                registry.check(file, spec.offset, ref_offset=spec.ref, path=spec.path)

    def _look_at(self, probes: Iterable[EventProbe], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Raise ProbeError for a place that cannot be probed, and warn of one that will not be hit.

        Not under a kernel's policy: what a kernel refuses shows when it is mapped.
        """
        if registry.policy.is_kernel:
            return
        with PlaceCheck(files, registry.arch, registry.policy) as places:
            for probe in probes:
                warning = places.look(probe.spec.path, probe.spec.offset)
                if warning:
                    self._warn(warning)

    @staticmethod
    def _unplaced(probes: Iterable[EventProbe]) -> list[EventProbe]:
        """Those of *probes* that are still to be placed: not those that were removed since."""
        return [
            probe
            for probe in probes
            if probe.uprobe is None and probe in probe.event.probes and probe.spec.is_placed
        ]

    def _register(self, probe: EventProbe, registry: UprobeRegistry, files: GuestFiles) -> None:
        file, spec = file_of(probe.spec, files), probe.spec
        if spec.resolver is not None:
            indirect = Indirect(probe, registry, self.soon, self.refused)
            indirect.place(file, spec.resolver, spec.path)
            probe.uprobe = indirect
            return
        probe.uprobe = registry.register(file, spec.offset, probe, ref_offset=spec.ref, path=spec.path)

    @staticmethod
    def uninstall(probes: Sequence[EventProbe], registry: UprobeRegistry) -> None:
        """Take the uprobes of *probes* out; those that have none are left alone."""
        with registry.at_rest():
            for probe in probes:
                if isinstance(probe.uprobe, Indirect):
                    probe.uprobe.take_out()
                elif probe.uprobe is not None:
                    registry.unregister(probe.uprobe, probe)
                probe.uprobe = None
