"""The events of one session: parsed, given sinks, turned into uprobes, and summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.kinds import Action
from uprobe_core.errors import UsageError
from uprobe_core.event_model import DeleteSpec, EventSpec, OpCode
from uprobe_core.events.parse import Language
from uprobe_core.events.record_buffer import RecordBuffer
from uprobe_core.events.table import EventTable
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.tracing.event import Event, EventProbe, Sink
from uprobe_core.tracing.findings import Findings
from uprobe_core.tracing.lives import Lives
from uprobe_core.tracing.place_check import PlaceCheck, file_of
from uprobe_core.types import Policy

if TYPE_CHECKING:
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import EventLine
    from uprobe_core.tracing.state import TracingState

__all__ = ("EventSet", "make_language")


def make_language(policy: Policy, arch: ArchOps, files: GuestFiles) -> Language:
    """The event language for *arch*, with symbols, lines and markers found through *files*."""
    from uprobe_core.image.resolver import ImageResolver

    return Language(
        policy,
        arch.info.registers,
        vectors=arch.vector_register,
        hint=arch.register_hint,
        file_check=files,
        resolver=None if policy.is_kernel else ImageResolver(arch.info, arch.marker_operand),
    )


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
        self.table = EventTable(make_language(policy, arch, files))
        self.events: list[Event] = []
        self._on_error = on_error
        self._warn = warn
        self.lives = Lives(on_error)
        self.findings = Findings(self.lives)
        self._before: dict[Event, tuple[list[EventProbe], tuple[Sink, ...]]] = {}
        """Since the last :meth:`state`: what events had before something of theirs changed."""
        self._by_name: dict[str, Event] = {}
        self._with_triggers: list[Event] = []
        self._to_ask: list[EventProbe] = []
        self._changed: Callable[[Event], None] | None = None
        self._buffer = RecordBuffer() if policy.is_kernel else None

    @property
    def shows_stale_numbers(self) -> bool:
        """Whether a number of some event may be what an earlier event left: see record_buffer."""
        return any(
            op.code in (OpCode.DEREF, OpCode.UDEREF)
            for event in self.events
            for arg in event.spec.args
            if not arg.type.is_string
            for op in arg.ops
        )

    @property
    def location_count(self) -> int:
        """How many places are probed."""
        return sum(len(event.probes) for event in self.events)

    # --- adding -------------------------------------------------------------------------------------

    def add_line(self, line: EventLine) -> list[Event]:
        """Add what one line says; returns the events that it made or extended."""
        return self.change_line(line)[0]

    def change_line(self, line: EventLine) -> tuple[list[Event], list[EventProbe]]:
        """Do what one line says: the events that it made or extended, the locations to take out."""
        changed: dict[str, Event] = {}
        gone: list[EventProbe] = []
        for command in self.table.write(line.text):
            if isinstance(command, DeleteSpec):
                gone += self._drop_deleted()
            else:
                event = self._add(command)
                changed[event.full_name] = event
        return list(changed.values()), gone

    def _add(self, spec: EventSpec) -> Event:
        event = self._by_name.get(spec.full_name)
        if event is None:
            event = self._by_name[spec.full_name] = Event(spec, self._on_error, self._buffer)
            event.on_change = self._changed
            self.events.append(event)
        self._touch(event)
        probe = EventProbe(spec, event)
        event.probes.append(probe)
        self.findings.probes.append(probe)
        return event

    def remove(self, events: Sequence[Event]) -> list[EventProbe]:
        """Forget *events*, so that their names are free; returns the locations to take out.

        What they found stays.  Events that were removed before are no error.
        """
        self.table.keep(spec for spec in self.table if self._by_name.get(spec.full_name) not in events)
        return self._drop_deleted()

    def _drop_deleted(self) -> list[EventProbe]:
        """Follow the table; returns what was placed and is to be taken out."""
        kept = set(map(id, self.table))
        gone = [probe for event in self.events for probe in event.probes if id(probe.spec) not in kept]
        for event in self.events:
            self._touch(event)
            event.probes = [probe for probe in event.probes if id(probe.spec) in kept]
        self.events = [event for event in self.events if event.probes]
        self._by_name = {event.full_name: event for event in self.events}
        unplaced = [probe for probe in gone if probe.uprobe is None]
        self.findings.probes = [probe for probe in self.findings.probes if probe not in unplaced]
        return [probe for probe in gone if probe.uprobe is not None]

    def state(self) -> Callable[[], None]:
        """What there is now, as a function that goes back to it."""
        specs, events, numbered = list(self.table), list(self.events), list(self.findings.probes)
        actions, attached = len(self.findings.actions), len(self.lives)
        before = self._before = {}

        def restore() -> None:
            self.table.keep(specs)
            self.events, self.findings.probes = events, numbered
            self._by_name = {event.full_name: event for event in events}
            for event in filter(before.__contains__, events):
                event.probes, sinks = before[event]
                for sink in [sink for sink in event.sinks if sink not in sinks]:
                    event.remove(sink)
                    self._follow(event)
            self.findings.drop_actions(actions)
            self.lives.keep(attached)

        return restore

    def _touch(self, event: Event) -> None:
        """Something of *event* is about to change."""
        if event not in self._before:
            self._before[event] = (list(event.probes), event.sinks)

    def find(self, name: str) -> list[Event]:
        """Events called *name*, [GROUP/]NAME; raises UsageError with near names if there is none."""
        found = [e for e in self.events if name in {e.name, e.full_name}]
        if not found:
            from difflib import get_close_matches

            names = [e.full_name for e in self.events] + [e.name for e in self.events]
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"events: {', '.join(names) or 'none'}"
            raise UsageError(f"no event is called {name!r}", hint=hint, slug="unknown-event")
        return found

    def attach(self, event: Event, sink: Sink, spool: Spool, source: object) -> None:
        """Attach *sink*; an action's measurements in forked children travel through *spool*."""
        self._touch(event)
        event.add(sink)
        self.lives.add(event, sink, source)
        self._follow(event)
        if isinstance(source, Action):
            self.findings.take(source, spool)

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
                registry.ask_filters(probe.uprobe)

    def set_filter(self, name: str, expression: str) -> None:
        """Give the events called *name* a filter; "0" clears it.  Raises SpecError."""
        from uprobe_core.events.filters import parse_filter

        for event in self.find(name):
            parsed = None if expression.strip() == "0" else parse_filter(expression, event)
            event.filter = None if parsed is None else parsed.test
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
            target = attach_trigger(self, event, text, session)
            new = [each for each in (target, event) if each is not None and each not in self._with_triggers]
            self._with_triggers += new
            event.changed()

    # --- placing ------------------------------------------------------------------------------------

    def install(self, events: Sequence[Event], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Turn *events* into uprobes, all of them or none; raises ProbeError."""
        done: list[EventProbe] = []
        if registry.policy.is_kernel:
            # A kernel calls the consumers of one place newest first.  Enabling a group enables
            # its events newest first, which cancels out; the groups follow each other.
            groups = list(dict.fromkeys(event.group for event in events))
            events = sorted(events, key=lambda event: -groups.index(event.group))
        # A trigger enables its target and its own event when it is written, before any group.
        early = [event for event in reversed(self._with_triggers) if event in events]
        events = [*(event for event in events if event not in early), *early]
        self._look_at(events, registry, files)
        try:
            for event in events:
                for probe in event.probes:
                    if probe.uprobe is None:
                        self._register(probe, registry, files)
                        done.append(probe)
        except BaseException:
            self.uninstall(done, registry)
            raise

    def check(self, events: Sequence[Event], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Raise the ProbeError that :meth:`install` would raise now; nothing changes."""
        self._look_at(events, registry, files)
        for spec in self._unplaced(events):
            file = file_of(spec, files)
            registry.check(file, spec.offset, ref_offset=spec.ref, path=spec.path)

    def _look_at(self, events: Iterable[Event], registry: UprobeRegistry, files: GuestFiles) -> None:
        """Raise ProbeError for a place that cannot be probed, and warn of one that will not be hit.

        Not under a kernel's policy: what a kernel refuses shows when it is mapped.
        """
        if registry.policy.is_kernel:
            return
        with PlaceCheck(files, registry.arch, registry.policy) as places:
            for spec in self._unplaced(events):
                warning = places.look(spec)
                if warning:
                    self._warn(warning)

    @staticmethod
    def _unplaced(events: Iterable[Event]) -> Iterator[EventSpec]:
        return (probe.spec for event in events for probe in event.probes if probe.uprobe is None)

    @staticmethod
    def _register(probe: EventProbe, registry: UprobeRegistry, files: GuestFiles) -> None:
        file, spec = file_of(probe.spec, files), probe.spec
        probe.uprobe = registry.register(file, spec.offset, probe, ref_offset=spec.ref, path=spec.path)

    @staticmethod
    def uninstall(probes: Sequence[EventProbe], registry: UprobeRegistry) -> None:
        """Take the uprobes of *probes* out; those that have none are left alone."""
        for probe in probes:
            if probe.uprobe is not None:
                registry.unregister(probe.uprobe, probe)
                probe.uprobe = None
