"""A session: a program, the probes in it, and what is found (DESIGN section 8).

This is the Python API and what the command line runs.  It chooses plugins,
opens the backend, turns event lines into uprobes, and at the end writes what
was collected, whatever ended the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from uprobe_core import discovery
from uprobe_core.actions import Action
from uprobe_core.arch_binding import bind_arch
from uprobe_core.backend import Bind, ExitStatus, Limits, Machine, Target, Task
from uprobe_core.dispatch import Dispatcher
from uprobe_core.engine_choice import choose_engine
from uprobe_core.errors import BackendError, PluginError, ProbeError, UsageError
from uprobe_core.event_set import EventSet
from uprobe_core.guest_files import GuestFiles
from uprobe_core.live import Batch, LiveChanges
from uprobe_core.output import RunOutput
from uprobe_core.plugin_contracts import blaming
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.spool import Spool
from uprobe_core.types import Mode, Returns
from uprobe_core.uprobes import Link, Uprobe, UprobeRegistry

if TYPE_CHECKING:
    from uprobe_core.event_probe import Event, EventProbe, Sink
    from uprobe_core.native_sites import NativeSites
    from uprobe_core.stacks.symbols import Images

__all__ = ("Session",)

T = TypeVar("T")
INLINE_AT_MOST = 64
"""Sites up to which *auto* runs probes inline: each further code hook slows every hit of every other."""


class Session:
    """One run of one program.

    >>> with Session(["./loop", "10"]) as s:                        # doctest: +SKIP
    ...     calls = s.probe("p:work ./loop:work b=%x1:u64", Count(by="b"))
    ...     s.run()
    >>> calls.result()                                              # doctest: +SKIP

    :param argv: the guest's argument vector
    :param options: the fields of :class:`~uprobe_core.run_setup.RunSetup`, with *mode*,
        *returns* and *policy* also as text, and the limits as *timeout* (seconds),
        *max_insns*, *max_memory* (bytes) and *max_processes*
    """

    def __init__(self, argv: Sequence[str], **options: Any) -> None:
        self._start(_setup_from_options(argv, options), explicit=True)

    @classmethod
    def from_setup(cls, setup: RunSetup) -> Session:
        """A session for a complete set-up, as the command line and TOML files give it."""
        session = cls.__new__(cls)
        session._start(setup, explicit=False)
        return session

    def _start(self, setup: RunSetup, *, explicit: bool) -> None:
        if not setup.argv:
            raise UsageError("no program to run", hint="give the program and its arguments after --")
        self.setup = setup
        self._explicit = explicit
        self._consumers: list[tuple[ConsumerUse, Any]] = []
        self._errors: dict[str, int] = {}
        self._warned: set[str] = set()
        self.status: ExitStatus | None = None
        self._closed = False
        self._wants_stacks = False
        self._ran = False
        self._live = LiveChanges()
        self._batch: Batch | None = None
        self._output: RunOutput | None = None
        self._machine: Machine | None = None
        self._native: NativeSites | None = None
        self.engine = choose_engine(setup.engine)
        self.spool = Spool()
        self.plugins = _load_plugins(self.warn)
        self.plugins.hook.uprobe_configure(setup=setup)
        wrappers = tuple(w for group in self.plugins.hook.uprobe_arch_wrappers() for w in group or ())
        self.arch = bind_arch(discovery.load_arch(setup.arch), wrappers)
        self.files = GuestFiles(setup.sysroot, setup.cwd, setup.binds)
        self.events = EventSet(setup.policy, self.arch, self.files, self._sink_failed)
        for line in setup.events:
            self.events.add_line(line)

    # --- probes -----------------------------------------------------------------------------------

    def probe(self, spec: str, *consumers: Any) -> Any:
        """Add the event line *spec* and attach *consumers* to it.

        A consumer is an action (``up.Count(by="b")``) or any object with
        ``handler(hit)`` and/or ``ret_handler(hit)``.  Returns the only
        consumer, all of them as a tuple, or without any the event itself (None
        for a line that deletes).  Works before and, from a consumer or another
        thread, during the run; then it takes effect at the next safe point,
        for which another thread waits.  Raises SpecError, ProbeError,
        UsageError; nothing has changed then.
        """

        def add(batch: Batch) -> list[Event]:
            added, gone = self.events.change_line(EventLine(spec, "probe()"))
            for event in added:
                for consumer in consumers:
                    self._attach(event, consumer)
            batch.added += added
            self._take_out(batch, gone)
            return added

        added = self._change(add)
        if len(consumers) == 1:
            return consumers[0]
        return tuple(consumers) or (added[0] if added else None)

    def change(self, function: Callable[[], T]) -> T:
        """Call *function*; what it adds, removes, enables and disables takes effect all at once.

        If it raises, or a place cannot be probed, nothing has changed and the
        error comes out here.  While the program runs it is called between two
        instructions of it, or from a consumer at once.
        """
        return self._change(lambda _batch: function())

    def _change(self, function: Callable[[Batch], T]) -> T:
        if self._batch is not None and self._live.is_mine:
            return function(self._batch)
        return self._live.do(lambda: self._transact(function))

    def _transact(self, function: Callable[[Batch], T]) -> T:
        restore = self.events.state()
        self._batch = batch = Batch()
        try:
            result = function(batch)
            if self._machine is None:
                batch.switch_events()
            elif self._live.is_safe:
                batch.apply(self.events, self._registry, self.files)
            else:
                self.events.check(batch.added, self._registry, self.files)
                self._live.soon(lambda: self._apply_late(batch))
        except BaseException:
            restore()
            raise
        finally:
            self._batch = None
        return result

    def _apply_late(self, batch: Batch) -> None:
        """It was checked when it was asked for; if it has become wrong since, nobody is there to be told."""
        try:
            batch.apply(self.events, self._registry, self.files)
        except ProbeError as error:
            self.events.remove(batch.added)
            if self.setup.strict:
                raise
            self.warn(f"not probed: {error}")

    def attach(self, event: Event, consumer: Any) -> None:
        """Attach one consumer object, action or consumer plugin to *event*."""
        self._change(lambda _batch: self._attach(event, consumer))

    def _attach(self, event: Event, consumer: Any) -> None:
        attach = getattr(consumer, "attach", None)
        sink = attach(event, self) if attach is not None else consumer
        if isinstance(sink, Action):  # a consumer plugin may leave the work to an action
            consumer, sink = sink, sink.attach(event, self)
        self.events.attach(event, sink, self.spool, consumer)

    def remove(self, event: Event | str) -> None:
        """Take the probes of *event* (or its [GROUP/]NAME) out; what it found stays.

        Its name is free then, and none of its consumers is called any more,
        also not for the return of a call that was seen to begin.  An event
        that was removed before is no error; an unknown name is a UsageError.
        """

        def take_out(batch: Batch) -> None:
            found = self.events.find(event) if isinstance(event, str) else [event]
            self._take_out(batch, self.events.remove(found))

        self._change(take_out)

    def _take_out(self, batch: Batch, gone: Sequence[EventProbe]) -> None:
        batch.gone += gone
        ended = dict.fromkeys(probe.event for probe in gone if probe.event not in self.events.events)
        batch.switched += [(event, False) for event in ended]

    def enable(self, event: Event | str, on: bool = True) -> None:
        """Switch what *event* does at a hit on or off."""

        def switch(batch: Batch) -> None:
            found = self.events.find(event) if isinstance(event, str) else [event]
            batch.switched += [(each, on) for each in found if each in self.events.events]

        self._change(switch)

    def disable(self, event: Event | str) -> None:
        """The opposite of :meth:`enable`."""
        self.enable(event, False)

    # --- the run ------------------------------------------------------------------------------------

    def open(self) -> Machine:
        """Load the program and place the probes; nothing of it has run yet.  Called by run if need be."""
        if self._machine is not None:
            return self._machine
        setup = self.setup
        backend = discovery.load_backend(setup.backend)
        mode, returns = _choose(backend.capabilities, setup, self.events.location_count)
        self.mode, self.returns = mode, returns
        self._registry = UprobeRegistry(
            self.arch,
            setup.policy,
            Mode.TRAP if mode is Mode.JUMP else mode,
            inline_available=Mode.INLINE in backend.capabilities.modes,
            refused=self._refused,
        )
        self._dispatcher = Dispatcher(
            self.arch,
            setup.policy,
            self._registry,
            returns,
            on_error=self._link_failed,
            on_process=self._on_process,
        )
        self._attach_consumers()
        self._output = RunOutput(setup.output, self.spool, self._writer_maker(), setup.lossy)
        if setup.policy.is_kernel:
            # As if the events had been enabled before the program started: what cannot be
            # probed is noticed when it is mapped, and the program runs on.
            self.events.install(self.events.events, self._registry, self.files)
        self._machine = backend.open(_target(setup), self._dispatcher)
        self._connect_native()
        if not setup.policy.is_kernel:
            self.events.install(self.events.events, self._registry, self.files)
        self.plugins.hook.uprobe_session_start(session=self)
        return self._machine

    def run(self) -> ExitStatus:
        """Run the program to its end (or a limit's, or Ctrl-C's) and write what was collected."""
        from uprobe_core.interrupts import interrupts_stop

        if self._ran:
            raise UsageError(
                "a session runs once", hint="make another Session for another run", slug="already-run"
            )
        machine = self.open()
        self._ran = True
        self.spool.prepare()
        self.spool.follow_forks(self._before_fork, self._in_child)
        status: ExitStatus | None = None
        try:
            with interrupts_stop(machine):
                self._live.begin(machine)
                status = self.status = machine.run()
        finally:
            self._live.end()
            if not self.spool.is_root:
                self._leave_child(status)
            self._finish(status)
        return status

    def _leave_child(self, status: ExitStatus | None) -> None:
        """A forked process must never come back into the caller's code."""
        if self._output is not None:
            self._output.flush()
        os._exit(125 if status is None else status.shell_status)

    def _finish(self, status: ExitStatus | None) -> None:
        if self._native is not None:
            self._native.sync()
        if self.spool.forked:
            if self._output is not None:
                self._output.flush()
            self.spool.wait_for_children()
            self.events.replay(self.spool, self._output)
        if self._output is not None:
            self._output.write_kept()
            if self._output.dropped:
                self.warn(f"{self._output.dropped} records were dropped: --lossy keeps {self.setup.lossy}")
        try:
            self._report()
        finally:
            self.plugins.hook.uprobe_session_finish(session=self, status=status)
            if self._output is not None:
                self._output.close()

    def close(self) -> None:
        """Give everything back; idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._output is not None:
            self._output.close()
        if self._machine is not None:
            self._machine.close()
        self.spool.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- what consumer plugins may call (a ConsumerContext) --------------------------------------------

    def emit(self, text: str) -> None:
        """Write one line to the run's output."""
        if self._output is not None:
            self._output.line(text)

    def record(self, hit: Any, event: Any) -> None:
        """Write a hit with its fetched values in the run's format."""
        if self._output is not None and self.events.is_recording:
            stack = self._stack(hit) if self._wants_stacks else ()
            self._output.record(self.events.make_record(hit, event, stack))

    def _stack(self, hit: Any) -> tuple[str, ...]:
        """Names of the frames at *hit*, innermost first."""
        from uprobe_core.stacks.unwind import unwind

        process = hit.task.process
        return tuple(self.images.name(process, pc, offset=False) for pc in unwind(hit.task, self.images))

    @cached_property
    def images(self) -> Images:
        """The ELF files behind the mappings of the run, for names and unwinding."""
        from uprobe_core.stacks.symbols import Images

        return Images(self.files)

    # --- inside ---------------------------------------------------------------------------------------

    def _attach_consumers(self) -> None:
        uses = self.setup.consumers
        if not uses and not self._explicit:
            uses = (ConsumerUse("trace"),)
        for use in uses:
            plugin = discovery.load_consumer(use.name, use.options)
            self._consumers.append((use, plugin))
            events = self.events.events if use.event is None else self.events.find(use.event)
            for event in events:
                with blaming(use.name, f"attach to {event.full_name}"):
                    self._attach(event, plugin)
        for chosen in self.setup.filters:
            self.events.set_filter(chosen.event, chosen.expression)
        for trigger in self.setup.triggers:
            self.events.add_trigger(trigger.event, trigger.text, self)

    def _writer_maker(self) -> Any:
        if self.setup.format == "tracefs":
            return None
        writer = discovery.load_object(discovery.Kind.WRITER, self.setup.format)
        self._wants_stacks = bool(getattr(writer, "wants_stacks", False))
        from uprobe_core.writer import RunHeader

        header = RunHeader(self.setup.argv, list(self.events.table))
        return lambda stream: writer(stream, header)

    def _on_process(self, kind: str, task: Task) -> None:
        if kind == "fork":
            utask = self._dispatcher.utask(task)
            self.events.inherit([*utask.returns, *utask.suspects])
        if self._native is not None:
            if kind == "fork":
                self._native.live = True
                self._native.forked(task)
            elif kind in ("exec", "exit"):
                self._native.ended(task, kind)

    def _connect_native(self) -> None:
        """Let the native engine take what it can, if there is one and the backend works with it."""
        backend = getattr(self._machine, "native", None)
        if self.engine.name != "c" or backend is None or self.setup.policy.is_kernel:
            return
        if self.returns is not Returns.WATCH:
            return
        from uprobe_core.native_sites import NativeSites

        self._native = NativeSites(
            backend,
            self.setup.mode,
            write=self._write_record,
            failed=self._sink_failed,
            vote_out=self._vote_out,
            current=lambda: self._machine.current,  # type: ignore[union-attr]  # a native machine has it
            records=not self._wants_stacks and not self.setup.triggers,
        )
        self._native.live = self.setup.output is None
        self._registry.native = self._native
        self.events.follow_changes(self._event_changed, self._sync)

    def _sync(self) -> None:
        if self._native is not None:
            self._live.do(self._native.sync)

    def _write_record(self, record: Any) -> None:
        if self._output is not None:
            self._output.record(record)

    def _event_changed(self, event: Event) -> None:
        if self._native is not None and self._native.changed(event):
            for probe in event.probes:
                if probe.uprobe is not None:
                    self._live.soon(partial(self._registry.place_again, probe.uprobe))

    def _vote_out(self, process: Any, address: int) -> None:
        """All consumers of the site at *address* voted for its removal."""
        space = self._registry.space_of(process)
        site = space.sites.get(address)
        if site is not None:
            self._live.soon(lambda: self._registry.remove_site(space, site))

    def _before_fork(self) -> None:
        if self._native is not None:
            self._native.drain()
        if self._output is not None:
            self._output.flush()

    def _in_child(self) -> None:
        self._live.in_child()
        self.events.enter_child(self.spool)
        if self._native is not None:
            self._native.enter_child(lambda message: self.events.spool_native(self.spool, message))

    def _report(self) -> None:
        failure: PluginError | None = None
        for use, plugin in self._consumers:
            try:
                self._report_one(use, plugin)
            except PluginError as error:  # what the others found is still written
                failure = failure or error
        for line in self.events.reports():
            self.emit(line)
        if self.setup.profile is not None:
            self._write_profile(self.setup.profile)
        for name, count in self._errors.items():
            self.warn(
                f"{name} raised {count} time{'s' if count != 1 else ''}; it was disabled the first time"
            )
        if failure is not None:
            raise failure

    def _report_one(self, use: ConsumerUse, plugin: Any) -> None:
        with blaming(use.name, "report"):
            report = plugin.report()
            text = "" if report is None else report.as_text()
        for line in text.splitlines():
            self.emit(line)

    def _write_profile(self, path: str) -> None:
        text = "".join(
            line + "\n" for line in self.events.profile(with_missed=not self.setup.policy.is_kernel)
        )
        if path == "-":
            sys.stderr.write(text)
            return
        try:
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        except OSError as error:
            self.warn(f"cannot write the profile {path!r}: {error.strerror}")

    def warn(self, text: str) -> None:
        """Tell the user once, on standard error."""
        if text not in self._warned:
            self._warned.add(text)
            print(f"uprobe: warning: {text}", file=sys.stderr, flush=True)

    def _refused(self, uprobe: Uprobe, error: ProbeError) -> None:
        """A mapping could not be probed: a kernel says nothing, we warn; --strict makes it an error."""
        if self.setup.strict:
            raise error
        self.warn(f"not probed: {error}")

    def _sink_failed(self, event: Event, sink: Sink, error: Exception) -> None:
        """A consumer raised: name it, disable it for this event, count, go on."""
        name = f"consumer {getattr(sink, 'name', type(sink).__name__)!r} of {event.full_name}"
        self._blame(name, error)
        event.remove(sink)

    def _link_failed(self, link: Link, error: Exception) -> None:
        if self.setup.strict and isinstance(error, PluginError):
            raise error  # it already names the consumer
        self._blame(f"consumer {getattr(link.consumer, 'name', '?')!r}", error)

    def _blame(self, name: str, error: Exception) -> None:
        self._errors[name] = self._errors.get(name, 0) + 1
        text = f"{name} raised {type(error).__name__}: {error}"
        if self.setup.strict:
            raise PluginError(text, plugin=name, slug="consumer-raised") from error
        self.warn(text)
        if self.setup.debug:
            from traceback import print_exception

            print_exception(error)


def _load_plugins(warn: Any) -> Any:
    from uprobe_core.plugin_manager import create

    return create(on_failure=lambda error: warn(str(error)))


def _setup_from_options(argv: Sequence[str], options: Mapping[str, Any]) -> RunSetup:
    """A RunSetup from the keyword arguments of :class:`Session`; raises UsageError for an unknown one."""
    from dataclasses import fields

    from uprobe_core.setup_text import parse_policy_text

    given = dict(options)
    limits = Limits(
        given.pop("timeout", None),
        given.pop("max_insns", None),
        given.pop("max_memory", None),
        given.pop("max_processes", None),
    )
    for key, kind in (("mode", Mode), ("returns", Returns)):
        if isinstance(given.get(key), str):
            try:
                given[key] = kind(given[key])
            except ValueError:
                allowed = ", ".join(m.value for m in kind)
                raise UsageError(
                    f"no {key} {given[key]!r}", hint=f"allowed: {allowed}", slug="bad-option"
                ) from None
    if isinstance(given.get("policy"), str):
        given["policy"] = parse_policy_text(given["policy"])
    known = {f.name for f in fields(RunSetup)} - {"argv", "limits"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise UsageError(
            f"no option {unknown[0]!r}", hint=f"options: {', '.join(sorted(known))}", slug="bad-option"
        )
    given.setdefault("limits", limits)
    return RunSetup(argv=tuple(argv), **given)


def _target(setup: RunSetup) -> Target:
    env = dict(os.environ) if setup.inherit_env else {}
    for key, value in setup.env.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = value
    binds: Sequence[Bind] = setup.binds
    return Target(
        argv=setup.argv,
        env=env,
        cwd=setup.cwd,
        sysroot=setup.sysroot,
        sysroot_read_only=setup.sysroot_read_only,
        binds=binds,
        allow_net=setup.allow_net,
        seed=setup.seed,
        clock=setup.clock,
        follow=setup.follow,
        limits=setup.limits,
        debug=setup.debug,
    )


def _choose(capabilities: Any, setup: RunSetup, locations: int) -> tuple[Mode, Returns]:
    """What *auto* means here; raises BackendError for a mode that the backend lacks."""
    mode, returns = setup.mode, setup.returns
    if mode is Mode.AUTO:
        inline = (
            Mode.INLINE in capabilities.modes and not setup.policy.is_kernel and locations <= INLINE_AT_MOST
        )
        mode = Mode.INLINE if inline else Mode.TRAP
    if returns is Returns.AUTO:
        watch = Returns.WATCH in capabilities.returns and not setup.policy.is_kernel
        returns = Returns.WATCH if watch else Returns.HIJACK
    if mode not in capabilities.modes:
        allowed = ", ".join(sorted(m.value for m in capabilities.modes))
        raise BackendError(f"backend {setup.backend!r} has no mode {mode.value!r}", hint=f"it has: {allowed}")
    if returns not in capabilities.returns:
        allowed = ", ".join(sorted(r.value for r in capabilities.returns))
        raise BackendError(
            f"backend {setup.backend!r} cannot {returns.value} returns", hint=f"it can: {allowed}"
        )
    return mode, returns
