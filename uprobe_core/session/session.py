"""A session: a program, the probes in it, and what is found.

This is the Python API and what the command line runs.  It opens the backend,
turns event lines into uprobes, and at the end writes what was collected,
whatever ended the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from uprobe_core.backend import Backend, Capabilities, ExitStatus, Machine, Process, Target, Task
from uprobe_core.discovery.contracts import blaming
from uprobe_core.discovery.load import load_backend
from uprobe_core.errors import OutputError, UsageError
from uprobe_core.native.choice import may_run_natively
from uprobe_core.probes.dispatch import Dispatcher
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.records.output import RunOutput
from uprobe_core.run_setup import RunSetup
from uprobe_core.session.abilities import refuse_lacking, warnings_of
from uprobe_core.session.choices import choose_mode, choose_returns, refuse_other_machine, target_of
from uprobe_core.session.reported import ReportedSession
from uprobe_core.session.result_files import ResultFiles
from uprobe_core.tracing.collector import collector_waits
from uprobe_core.tracing.findings import inherit, make_record
from uprobe_core.tracing.left_calls import follow_left_calls
from uprobe_core.types import Mode, Returns

if TYPE_CHECKING:
    from uprobe_core.native.semantics import Semantics
    from uprobe_core.native.sites import NativeSites

__all__ = ("Session",)

T = TypeVar("T")


class Session(ReportedSession):
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
        from uprobe_core.setup.keywords import setup_from_options  # the command line has no need of it

        self._start(setup_from_options(argv, options), explicit=True)

    @classmethod
    def from_setup(cls, setup: RunSetup) -> Session:
        """A session for a complete set-up, as the command line and TOML files give it."""
        session = cls.__new__(cls)
        session._start(setup, explicit=False)
        return session

    # --- the run ------------------------------------------------------------------------------------

    def confine(self, before: Callable[[], None] | None = None) -> None:
        """Give up for good, with this whole process, what the run does not need; see docs/sandbox.md.

        Before :meth:`open`, which does it by itself for ``sandbox="require"`` alone, since a process
        with a session in it is the caller's.  Raises TargetError if it is required and cannot be had.

        :param before: called when all is loaded and nothing is given up
        """
        backend = load_backend(self.setup.backend)
        self._import_rest()
        self._confinement.begin(backend, before, native=self.engine.name == "c" and self._may_have_probes)

    def open(self) -> Machine:
        """Load the program and place the probes; nothing of it has run yet.  Called by run if need be."""
        if self._machine is not None:
            return self._machine
        setup = self.setup
        if setup.sandbox == "require":
            self.confine()
        backend = load_backend(setup.backend)
        registry, dispatcher = self._make_dispatcher(backend.capabilities)
        self._attach_consumers()
        self._expect()
        self._watching = self._make_watching()
        if self._stopping is not None:
            self._stopping.attach()
        self._files = ResultFiles(setup)
        self._output = RunOutput(
            setup.output,
            self.spool,
            self._writer_maker(),
            setup.lossy,
            not_written=self._complaints.not_written,
            also=self._look_at_records(),
            snapshots=self._two_buffers,
        )
        if setup.policy.is_kernel:
            # As if the events had been enabled before the program started: what cannot be
            # probed is noticed when it is mapped, and the program runs on.
            self.events.install(self.events.locations(), registry, self.files)
        with blaming(setup.backend, "open the program", "backend"):
            self._machine = backend.open(self._target(backend), self._explain.handler(dispatcher))
        refuse_other_machine(setup, self.arch.info, self.files)
        self._changes.place_in(registry, self._machine)
        self._connect_native(self._machine, registry, self._output)
        if not setup.policy.is_kernel:
            with collector_waits():
                self.events.install(self.events.locations(), registry, self.files)
        if self._stopping is not None:
            self._stopping.begin(self._machine)
        self.plugins.hook.uprobe_session_start(session=self)
        return self._machine

    def _target(self, backend: Backend) -> Target:
        watchers = self._explain.on_syscall(*self._call_watchers()), self._samples(), self._coverage.watcher
        return target_of(
            self.setup,
            backend.capabilities,
            *watchers,
            isolated=self._confinement.isolated,
            private_folder=self._caretaker.folder,
            memory_stat=self._confinement.memory_stat,
        )

    def _make_dispatcher(self, capabilities: Capabilities) -> tuple[UprobeRegistry, Dispatcher]:
        """What knows the probes, and what is called at their hits."""
        setup = self.setup
        self.mode = choose_mode(capabilities, setup, self.events.location_count, wrapped=self._is_wrapped)
        self.returns = choose_returns(capabilities, setup)
        refuse_lacking(capabilities, setup, (event.spec for event in self.events.events))
        for text in warnings_of(capabilities, setup, self.returns, self.mode if self._is_wrapped else None):
            self.warn(text)
        registry = UprobeRegistry(
            self.arch,
            setup.policy,
            Mode.TRAP if self.mode is Mode.JUMP else self.mode,
            inline_available=Mode.INLINE in capabilities.modes,
            steps_calls=capabilities.steps_before_calls,
            follow=setup.follow,
            placed=self._explain.placed,
            refused=self._explain.refused(self._complaints.refused),
        )
        self._dispatcher = Dispatcher(
            self.arch,
            setup.policy,
            registry,
            self.returns,
            on_error=self._complaints.link_failed,
            on_process=self._on_process,
            on_killed=self._on_killed,
            on_map=self._on_map,
            on_end=self._on_end,
            on_idle=self._show_output,
        )
        self._dispatcher.unwind = self.stacks.stack
        if self._stopping is not None:
            self._dispatcher.holds = self._stopping.holds
        if self.returns is Returns.WATCH and not setup.policy.is_kernel:
            self._dispatcher.on_file = follow_left_calls(
                registry,
                self.files,
                self.arch.info.registers.sp,
                sees_all=capabilities.mappings,
                wanted=lambda: any(event.wants_returns for event in self.events.events),
                followers=lambda: (self._dispatcher, *filter(None, [self._engine])),
            )
        return registry, self._dispatcher

    def run(self) -> ExitStatus:
        """Run the program to its end (or a limit's, or Ctrl-C's) and write what was collected.

        Raises OutputError when some of it could not be written, PluginError when a consumer or
        writer failed at the end; everything else is written then, and :attr:`status` is there.
        """
        from uprobe_core.session.interrupts import Interrupts

        if self._closed:
            raise UsageError(
                "the session is closed", hint="make another Session for another run", slug="already-run"
            )
        if self._ran:
            what, hint = "a session runs once", "make another Session for another run"
            raise UsageError(what, hint=hint, slug="already-run")
        machine = self.open()
        self._ran = True
        self.spool.prepare()
        self._confinement.finish(getattr(machine, "folders", ()))
        self.spool.follow_forks(self._before_fork, self._in_child)
        status: ExitStatus | None = None
        try:
            self.events.lives.start()
            setup = self.setup
            self._interrupts = Interrupts(machine, self.events, setup.limits.seconds, setup.handler_timeout)
            with self._interrupts.taken():
                try:
                    self._begin_outsiders(machine)
                    self._live.begin(machine)
                    status = self.status = self.stacks.completed(machine.run())
                finally:
                    self._live.end()
                    if not self.spool.is_root:
                        self._leave_child(status)
                    self._finish(status)
        finally:
            self._live.end()
            self._last_words.end()
        if self._complaints.failure is not None:
            raise self._complaints.failure
        return status

    def _leave_child(self, status: ExitStatus | None) -> None:
        """A forked process must never come back into the caller's code."""
        if self._output is not None:
            self._output.flush()
        os._exit(125 if status is None else status.shell_status)

    def _finish(self, status: ExitStatus | None) -> None:
        if self._engine is not None:
            self._engine.sites.finish()
        for each in self._outsiders():
            each.finish(status)
        if self.spool.forked:
            if self._output is not None:
                self._output.flush()
            self.spool.wait_for_children()
            self.events.findings.replay(self.spool, self._output)
            self._say_lost()
            if self.spool.lacked:
                text = f"{self.spool.lacked}: no room in the folder of temporary files"
                self._complaints.not_written(OutputError(text, hint="TMPDIR names another folder"))
        if self._control is not None:
            self._control.tell_end()
        self.events.lives.finish()
        if self._output is not None:
            self._output.write_kept()
            if self._output.dropped:
                why = "the reader failed" if self.setup.lossy is None else f"--lossy keeps {self.setup.lossy}"
                self.warn(f"{self._output.dropped} records were dropped: {why}")
        try:
            self._report(status)
        finally:
            self.plugins.hook.uprobe_session_finish(session=self, status=status)
            self._close_files()

    def _close_files(self) -> None:
        for file in (self._output, self._files, self._coverage):
            if file is not None:
                file.close()

    def close(self) -> None:
        """Give everything back; idempotent."""
        if self._live.is_running:
            raise RuntimeError("a session is not closed by what runs in it")
        if self._closed:
            return
        self._closed = True
        self._last_words.end()
        self._close_files()
        if self._machine is not None:
            self._machine.close()
        self.spool.close()
        for each in self._outsiders():
            each.close()
        self._caretaker.end()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- what consumer plugins may call (a ConsumerContext) --------------------------------------------

    def record(self, hit: Any, event: Any) -> None:
        """Write a hit with its fetched values in the run's format."""
        if self._output is not None and self.events.findings.is_recording:
            if self._engine is not None:
                self._engine.sites.drain()  # what is in its ring came first
            wanted = self._wants_stacks or event.spec.kind == "i"  # a sample is its stack
            stack = tuple(frame.label for frame in hit.stack()) if wanted else ()
            self._output.record(make_record(hit, event, stack))

    def name_of(self, address: int) -> str:
        """``symbol+0x8``, ``[file+0x12]``, or "" if nothing is or was mapped at the guest *address*.

        Of a :class:`~uprobe_core.frame.Frame` (of ``hit.stack()``, of an action's result) its name;
        of another number what is there now or, once the program has ended, was there last.
        """
        return self.stacks.name_of(address)

    # --- inside ---------------------------------------------------------------------------------------

    def _on_process(self, kind: str, task: Task) -> None:
        if kind in ("exec", "exit") and self.spool.is_root:
            self.stacks.ends(task, kind)
        self.events.lives.on_process(kind, task)
        if kind == "fork":
            utask = self._dispatcher.utask(task)
            inherit([*utask.returns, *utask.suspects])
        if self._engine is not None:
            self._engine.on_process(kind, task)

    def _on_killed(self, task: Task, signal: int) -> None:
        if self.spool.is_root:
            self.stacks.killed(task, signal)

    def _on_end(self) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            self.spool.put(
                ("not-written", f"a forked process failed: internal: {type(error).__name__}: {error}")
            )
        self.events.lives.end_child(self.spool)
        self._coverage.end_child(self.spool)
        self._show_output()
        if self.setup.debug and self._machine is not None:
            self.spool.put(("statistics", dict(self._machine.statistics())))

    def _on_map(self, process: Process) -> None:
        self.stacks.changed(process)
        if self._engine is not None:
            self._engine.sites.stacks.forget()

    def _connect_native(self, machine: Machine, registry: UprobeRegistry, output: RunOutput) -> None:
        """Let the native engine take what it can, if there is one and the backend works with it."""
        self._last_words.begin(self._keep)  # after the backend, which may listen for its own aborts
        if self._may_have_probes and may_run_natively(self.engine.name, machine):
            from uprobe_core.native.session import SessionNative

            self._engine = SessionNative(
                machine,
                self.setup,
                registry,
                self.events,
                output,
                self._live,
                failed=self._complaints.sink_failed,
                records=not self._wants_stacks,
                semantics=self._semantics(),
                stacks=self.stacks,
            )

    def _semantics(self) -> Semantics:
        """What a native engine has to do as a kernel does it."""
        from uprobe_core.native.semantics import Semantics

        dispatcher, policy = self._dispatcher, self.setup.policy
        return Semantics(
            trap=self.arch.info.breakpoint,
            known=dispatcher.known_trampoline,
            trampoline=dispatcher.trampoline,
            hijack=self.returns is Returns.HIJACK,
            depth=dispatcher.depth,
            visible=policy.is_kernel,
            fetches=lambda: not (policy.is_kernel and self.events.shows_leftovers),
        )

    @property
    def _native(self) -> NativeSites | None:
        """What the native engine has taken, for a look inside."""
        return None if self._engine is None else self._engine.sites

    def _show_output(self) -> None:
        """The program waits for something: whoever looks into the output sees everything so far."""
        if self._output is not None:
            if self._engine is not None:
                self._engine.sites.show()
            self._output.show()

    def _before_fork(self) -> None:
        if self._engine is not None:
            self._engine.sites.before_fork()
        if self._output is not None:
            self._output.before_fork()

    def _in_child(self) -> None:
        self._caretaker.forget()
        for each in self._outsiders():
            each.in_child()
        if self._interrupts is not None:
            self._interrupts.begin()
        self._live.in_child()
        self._coverage.enter_child()
        self.events.lives.enter_child()
        self.events.findings.enter_child(self.spool)
        if self._engine is not None:
            self._engine.enter_child(self.spool)
