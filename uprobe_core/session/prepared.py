"""A session before its program is loaded: plugins chosen, events defined, consumers attached.

What may be said about probes is the same before the run, during it and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from uprobe_core.actions.base import Action
from uprobe_core.backend import ExitStatus, Machine, Task
from uprobe_core.discovery.contracts import asked, blaming, check_sink, checked_lines
from uprobe_core.discovery.load import (
    import_consumer,
    load_arch,
    load_consumer,
    load_writer,
    refuse_options,
)
from uprobe_core.errors import UsageError, noted
from uprobe_core.late_imports import have_ready
from uprobe_core.native.choice import choose_engine, for_operations
from uprobe_core.probes.arch_ops import ArchOps, bind_arch, check_policy
from uprobe_core.records.output import RunOutput
from uprobe_core.records.spool import Spool
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.session.caretaker import Caretaker
from uprobe_core.session.choices import files_of, uses_of, writer_of, writes_records
from uprobe_core.session.complaints import Complaints
from uprobe_core.session.confined import Confinement
from uprobe_core.session.coverage import RunCoverage
from uprobe_core.session.explain import Explaining
from uprobe_core.session.last_resort import LastWords
from uprobe_core.session.late import late_modules
from uprobe_core.session.live import Batch, LiveChanges
from uprobe_core.session.probe_changes import ProbeChanges
from uprobe_core.session.result_files import ResultFiles
from uprobe_core.session.stacks import RunStacks
from uprobe_core.tracing.collector import collector_waits
from uprobe_core.tracing.event_set import EventSet

if TYPE_CHECKING:
    from uprobe_core.executed_code import CodeFile
    from uprobe_core.expecting.expectations import Expectations
    from uprobe_core.expecting.outcome import Outcome
    from uprobe_core.native.session import SessionNative
    from uprobe_core.probes.dispatch import Dispatcher
    from uprobe_core.reporting.calls import CallsSeen
    from uprobe_core.session.control import Control
    from uprobe_core.session.interrupts import Interrupts
    from uprobe_core.session.stopping import Stopping
    from uprobe_core.session.watching import Watching
    from uprobe_core.target import CallWatcher, SampleWatcher
    from uprobe_core.tracing.event import Event

__all__ = ("PreparedSession",)

T = TypeVar("T")


class PreparedSession:
    """What a :class:`~uprobe_core.session.Session` is made of, and its probes."""

    _watching: Watching | None = None

    def _start(self, setup: RunSetup, *, explicit: bool) -> None:
        if not setup.argv and setup.address is None:
            raise UsageError("no program to run", hint="give the program and its arguments after --")
        self._caretaker = Caretaker()
        self.setup = setup
        self._stopping, self._control = self._make_stopping(setup), self._make_control(setup)
        self._explicit = explicit
        self._consumers: list[tuple[ConsumerUse, Any]] = []
        self.status: ExitStatus | None = None
        self._closed = False
        self._wants_stacks = False
        self._ran = False
        self._live = LiveChanges()
        self._explain = Explaining(setup.explain)
        self._expectations: Expectations | None = None
        self.outcomes: tuple[Outcome, ...] = ()
        """What became of the expectations, once the run has ended."""
        self._complaints = Complaints(strict=setup.strict, debug=setup.debug)
        self._confinement = Confinement(setup, self.warn)
        self._dispatcher: Dispatcher
        self._output: RunOutput | None = None
        self._calls: CallsSeen | None = None
        self._files: ResultFiles | None = None
        self._machine: Machine | None = None
        self._interrupts: Interrupts | None = None
        self._engine: SessionNative | None = None
        self.engine = choose_engine(setup.engine)
        self.spool = Spool()
        self.plugins = self._load_plugins()
        self.plugins.hook.uprobe_configure(setup=setup)
        self.arch, self._is_wrapped = self._bound_arch()
        self.engine = for_operations(
            self.engine, setup.engine, self.arch.info, self.warn, wrapped=self._is_wrapped
        )
        self.engine = self._explain.engine(self.engine)
        check_policy(self.arch, setup.policy)
        self.files = files_of(setup)
        self._coverage = RunCoverage(setup, self.files)
        self.stacks = RunStacks(self.files, self.arch, self._real_return)
        self.events = EventSet(setup.policy, self.arch, self.files, self._complaints.sink_failed, self.warn)
        self.events.soon, self.events.refused = self._live.soon, self._complaints.not_probed
        self._last_words = LastWords(self.events)
        self._changes = ProbeChanges(self.events, self.files, self._live, self._complaints.not_probed)
        with self.files.remembering(), collector_waits():
            for line in setup.events:
                self.events.add_line(line)
            if setup.syscalls:
                self.events.add_line(EventLine("s:*", "-S"))
            if setup.functions:
                self._add_functions()

    def _add_functions(self) -> None:
        from uprobe_core.discovery.called import has_plugins
        from uprobe_core.session.functions import lines_of_functions

        records = writes_records(self.setup) and not (self._explicit and not self.setup.consumers)
        others = self._explicit or has_plugins(self.plugins)
        for line in lines_of_functions(
            self.setup, self.events, self.files, self.arch, records=records, typed=others, warn=self.warn
        ):
            self.events.add_line(line)

    def _make_stopping(self, setup: RunSetup) -> Stopping | None:
        """What stops the run, if it is to be stopped."""
        if setup.stop_at is None and setup.gdb is None and not setup.repl:
            return None
        from uprobe_core.session.stopping import Stopping

        return Stopping(self)

    def _make_control(self, setup: RunSetup) -> Control | None:
        """Who lets others change the run, if they may."""
        if setup.control is None:
            return None
        from uprobe_core.session.control import Control

        return Control(self, setup.control)

    def _make_watching(self) -> Watching | None:
        """Who shows what there is from time to time, if it is wanted."""
        if self.setup.interval is None:
            return None
        from uprobe_core.session.screen import Screen
        from uprobe_core.session.watching import Watching

        screen = Screen(shared=self.setup.output is None and writes_records(self.setup))
        return Watching(self.setup.interval, self._consumers, self.events.findings, screen)

    def _begin_outsiders(self, machine: Machine) -> None:
        """The program is about to run."""
        if self._control is not None:
            self._control.begin()
        if self._watching is not None:
            self._watching.begin(machine, self._live)

    @property
    def _may_have_probes(self) -> bool:
        """Whether there are events, or somebody has this session who may add some while the program runs."""
        from uprobe_core.discovery.called import has_plugins

        others = self._explicit or self.setup.consumers or has_plugins(self.plugins)
        return bool(self.events.events or others or self._outsiders())

    @property
    def private_folder(self) -> str:
        """The run's own folder of temporary files, that nobody else may enter."""
        return self._caretaker.folder

    @property
    def interrupts(self) -> Interrupts | None:
        """What ends the run from outside, once it runs."""
        return self._interrupts

    def _call_watchers(self) -> list[CallWatcher]:
        """Who is told of each system call."""
        screen = None if self._watching is None else self._watching.screen
        watchers: list[CallWatcher | None] = [
            screen if screen is not None and screen.is_redrawn else None,
            self._system_calls(),
            None if self._stopping is None else self._stopping.journal,
        ]
        return [each for each in watchers if each is not None]

    def _system_calls(self) -> CallWatcher | None:
        """Who makes hits of system calls, if one has an event."""
        if all(event.spec.is_placed for event in self.events.events):
            return None
        from uprobe_core.tracing.system_calls import KIND, SystemCalls

        if not any(event.spec.kind == KIND for event in self.events.events):
            return None
        return SystemCalls(self.events.probe_named, self.arch.info.registers, self.stacks.stack)

    def _samples(self) -> SampleWatcher | None:
        """Who makes hits of samples, if there is an event of them."""
        if all(event.spec.is_placed for event in self.events.events):
            return None
        from uprobe_core.tracing.samples import SAMPLE, Samples

        probe = next((e.probes for e in self.events.events if e.spec.kind == SAMPLE), None)
        if probe is None:
            return None
        return Samples(next(iter(probe)), self.arch.info.registers, self.stacks.stack, self.stacks.frame)

    def _outsiders(self) -> list[Stopping | Control | Watching]:
        """Who speaks with others while the program runs: a debugger, who changes probes, who shows tables."""
        return [each for each in (self._stopping, self._control, self._watching) if each is not None]

    def written_to(self) -> list[int]:
        """The descriptors that records, reports and messages go to."""
        own = [] if self._output is None else self._output.descriptors()
        return [1, 2, *own]

    def forget_helpers(self) -> None:
        """In a copy of the process that is no session: what is removed at the end is not its to remove."""
        self._caretaker.forget()

    def probe(self, spec: str | EventLine, *consumers: Any) -> Any:
        """Add the event line *spec* and attach *consumers* to it.

        A consumer is an action (``up.Count(by="b")``) or any object with
        ``handler(hit)`` and/or ``ret_handler(hit)``.  Returns the only
        consumer, all of them as a tuple, or without any the event itself (None
        for a line that deletes).  Works before and, from a consumer or another
        thread, during the run; then it takes effect at the next safe point,
        for which another thread waits.  Raises SpecError, ProbeError,
        UsageError; nothing has changed then.
        """

        line = EventLine(spec, "probe()") if isinstance(spec, str) else spec
        if not isinstance(line, EventLine):
            raise UsageError(f"event line {spec!r} is no string", hint="write one as for -e")

        def add(batch: Batch) -> list[Event]:
            added, gone = self.events.change_line(line)
            events = list(dict.fromkeys(probe.event for probe in added))
            for event in events:
                for consumer in consumers:
                    self._attach(event, consumer)
            batch.added += added
            self._changes.take_out(batch, gone)
            return events

        added = self._changes.make(add)
        if len(consumers) == 1:
            return consumers[0]
        return tuple(consumers) or (added[0] if added else None)

    def change(self, function: Callable[[], T]) -> T:
        """Call *function*; what it adds, removes, enables and disables takes effect all at once.

        If it raises, or a place cannot be probed, nothing has changed and the
        error comes out here.  While the program runs it is called between two
        instructions of it, or from a consumer at once.
        """
        return self._changes.make(lambda _batch: function())

    def attach(self, event: Event, consumer: Any) -> None:
        """Attach one consumer object, action or consumer plugin to *event*."""
        self._changes.make(lambda _batch: self._attach(event, consumer))

    def _attach(self, event: Event, consumer: Any, called: str = "") -> None:
        if isinstance(consumer, type):
            raise UsageError(
                f"{consumer.__name__} is a class, not a consumer",
                hint=f"{consumer.__name__}(...) makes one",
                slug="bad-consumer",
            )
        attach = getattr(consumer, "attach", None)
        sink = attach(event, self) if attach is not None else consumer
        if isinstance(sink, Action):  # a consumer plugin may leave the work to an action
            consumer, sink = sink, sink.attach(event, self)
        check_sink(sink, consumer, event.full_name, called)
        self.events.attach(event, sink, self.spool, consumer, called)

    def remove(self, event: Event | str) -> None:
        """Take the probes of *event* (or its [GROUP/]NAME) out; what it found stays.

        Its name is free then, and none of its consumers is called any more,
        also not for the return of a call that was seen to begin.  An event
        that was removed before is no error; an unknown name is a UsageError.
        """

        def take_out(batch: Batch) -> None:
            found = self.events.find(event) if isinstance(event, str) else [event]
            self._changes.take_out(batch, self.events.remove(found))

        self._changes.make(take_out)

    def enable(self, event: Event | str, on: bool = True) -> None:
        """Switch what *event* does at a hit on or off."""

        def switch(batch: Batch) -> None:
            found = self.events.find(event) if isinstance(event, str) else [event]
            batch.switched += [(each, on) for each in found if each in self.events.events]

        self._changes.make(switch)

    def disable(self, event: Event | str) -> None:
        """The opposite of :meth:`enable`."""
        self.enable(event, False)

    def _import_rest(self) -> None:
        """Import what the run will need: what is imported behind the wall is not kept for the next run."""
        for use in self._uses():
            import_consumer(use.name)
        have_ready(late_modules(self.setup, self._uses()))
        if self._may_have_probes and self.arch.info.native and not self._is_wrapped:  # it is ours
            self.arch.analyze_insn(bytes(self.arch.info.slot_bytes), 0, self.setup.policy)

    def _uses(self) -> Sequence[ConsumerUse]:
        return self.setup.consumers if self._explicit else uses_of(self.setup)

    def _attach_consumers(self) -> None:
        uses = self._uses()
        loaded = [(use, load_consumer(use.name, use.options)) for use in uses]
        self._consumers += loaded
        if any(asked(plugin, "wants_code", False, use.name) for use, plugin in loaded):
            self._coverage.begin()
            self.events.findings.others["code"] = self._coverage.merge
        brought = [self._bring(use, plugin) for use, plugin in loaded]
        if self.setup.consumers and not self._explicit and not self.events.events and None in brought:
            self.warn("there are consumers but no events: give them with -e, -f or -c")
        for (use, plugin), own in zip(loaded, brought, strict=True):
            begin = asked(plugin, "begin", None, use.name)
            if begin is not None:
                with blaming(use.name, "begin"):
                    begin(self)
            for event in self.events.for_consumer(use) if own is None else own:
                with blaming(use.name, f"attach to {event.full_name}"):
                    self._attach(event, plugin, use.name)
        for chosen in self.setup.filters:
            with noted(f"filter {chosen.event}:{chosen.expression}: "):
                self.events.set_filter(chosen.event, chosen.expression)
        for trigger in self.setup.triggers:
            with noted(f"trigger {trigger.event}:{trigger.text}: "):
                self.events.add_trigger(trigger.event, trigger.text, self)

    def code(self, patterns: Sequence[str] = ()) -> list[CodeFile]:
        """The code that was executed, for consumers with ``wants_code``, once the run is over.

        :param patterns: of which files: globs of paths or names; none: of the program itself
        """
        return self._coverage.code(patterns)

    def _bring(self, use: ConsumerUse, plugin: Any) -> list[Event] | None:
        """The events that a consumer has for itself, None: those that the set-up has."""
        lines = asked(plugin, "event_lines", None, use.name)
        if lines is None or use.event is not None:
            return None
        return self.events.bring(checked_lines(lines, use.name), f"-C {use.name}")

    def _expect(self) -> None:
        """Have measured what the run is expected to find."""
        setup = self.setup
        if setup.expect or setup.require_hits or setup.junit_xml:
            from uprobe_core.expecting.expectations import Expectations

            self._expectations = expectations = Expectations.of(setup)
            expectations.measure(self.events.events, (use.name for use, _ in self._consumers), self._attach)

    def _writer_maker(self) -> Any:
        chosen = writer_of(self.setup)
        if chosen.name == "tracefs":
            refuse_options(chosen)
            return None
        self._wants_stacks, make = load_writer(chosen)
        from uprobe_core.writer import RunHeader

        header = RunHeader(self.setup.argv, self.events.specs(), chosen.options)
        return lambda stream: make(stream, header)

    def _real_return(self, task: Task, address: int, sp: int) -> int | None:
        found = self._dispatcher.real_return(task, address, sp)
        if found is None and self._engine is not None:
            found = self._engine.sites.engine.real_return(sp)
        return found

    def warn(self, text: str) -> None:
        """Tell the user once, on standard error."""
        self._complaints.warn(text)

    def _load_plugins(self) -> Any:
        from uprobe_core.discovery.called import create

        return create(on_failure=lambda error: self.warn(str(error)))

    def _bound_arch(self) -> tuple[ArchOps, bool]:
        """The architecture's operations, and whether plugins wrap any."""
        from uprobe_core.discovery.called import wrappers_of

        wrappers = wrappers_of(self.plugins)
        return bind_arch(load_arch(self.setup.arch), wrappers), bool(wrappers)
