"""A program that is ready to run; see :class:`uprobe_core.backend.Machine`."""

from __future__ import annotations

import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from uprobe_core.backend import Capabilities, ExitStatus
from uprobe_core.errors import TargetError, UprobeError, shortage
from uprobe_linux.fs.context import FsContext
from uprobe_linux.fs.fdtable import FdTable
from uprobe_linux.fs.file_times import FileTimes
from uprobe_linux.fs.sandbox import Sandbox
from uprobe_linux.fs.virtual import add_virtual
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.memory.arena import Arena
from uprobe_linux.net.private_net import PrivateNetwork
from uprobe_linux.processes.credentials import Credentials
from uprobe_linux.processes.ending import finish
from uprobe_linux.processes.family import Family
from uprobe_linux.processes.process import LinuxProcess
from uprobe_linux.processes.task import LinuxTask
from uprobe_linux.program.elf_loader import ElfError, NoInterpreterError
from uprobe_linux.program.exec import Image, install, prepare
from uprobe_linux.runner import Runner
from uprobe_linux.scheduling.clock import Clock
from uprobe_linux.scheduling.run_limits import RunLimits
from uprobe_linux.scheduling.scheduler import Scheduler
from uprobe_linux.scheduling.timers import Timers
from uprobe_linux.scheduling.turns import Turns
from uprobe_linux.scheduling.watcher import Watcher
from uprobe_linux.signals.table import SignalTable, TaskSignals

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler, Target
    from uprobe_linux.cpu import Cpu
    from uprobe_linux.kernel import Process, Task
    from uprobe_linux.pausing.pauses import LinuxPauses
    from uprobe_linux.ptys.table import Ptys
    from uprobe_linux.scheduling.memory_meter import MemoryMeter

__all__ = ("LinuxMachine",)


class LinuxMachine:
    """Everything of one run that lives in this host process."""

    def __init__(
        self, target: Target, handler: ProbeHandler, cpu: Cpu, arena: Arena, capabilities: Capabilities
    ) -> None:
        self.capabilities = capabilities
        self.target = target
        self.handler = handler
        self.cpu = cpu
        self.arena = arena
        self.clock = Clock(target.clock, lambda: cpu.executed, cpu.calls)
        self._current: Task | None = None
        self.stop_requested = ""
        """Why the run is to end early, "" while it is not."""
        self.soon: deque[Callable[[], None]] = deque()
        """What call_soon was asked for; the runner takes it from the left."""
        self.counts: dict[str, int] = {}
        self.host_pid = os.getpid()
        """Of the host process that the run started in."""
        self._executed_elsewhere = 0
        """Instructions that the host process that we were forked from had executed."""
        self._closed = False
        self.native: Any = None
        """Places the sites of a native engine (a ``NativeBackend``), if the backend has it."""
        self.sandbox = Sandbox(target)
        self.file_times = FileTimes(self.clock.realtime()) if self.clock.virtual else None
        self.family = Family(self, target.limits.processes)
        self.turns = Turns(self, self.family.seats)
        self.network = PrivateNetwork(self.family.run)
        self.timers = Timers(self.clock)
        self.scheduler = Scheduler(self, target.seed)
        self.watcher = Watcher(self)
        self._ptys: Ptys | None = None
        self.limits = RunLimits(self)
        self.meter = self._memory_meter()
        self.runner = Runner(self, self.limits)
        self._threads = self.runner.threads
        add_virtual(self)
        if target.on_code is not None:
            cpu.watch_code()
        if target.on_sample is not None:
            cpu.sample(target.on_sample.every, self._sampled)
        try:
            self.main = self._first_process()
        except BaseException:
            self._release()
            raise

    # --- set-up --------------------------------------------------------------------------------

    def _memory_meter(self) -> MemoryMeter | None:
        most = self.target.limits.memory
        if most is None:
            return None
        from uprobe_linux.scheduling.memory_meter import MemoryMeter  # few runs have that limit

        return MemoryMeter(self, most, self.sandbox.private, self.target.memory_stat)

    @property
    def ptys(self) -> Ptys:
        """The pseudo-terminals of the run."""
        if self._ptys is None:
            from uprobe_linux.ptys.table import Ptys  # few programs make any

            self._ptys = Ptys(self)
        return self._ptys

    @property
    def has_ptys(self) -> bool:
        """Whether a process of the run has made one."""
        return self._ptys is not None or os.path.exists(os.path.join(self.sandbox.private, "ptys"))

    @property
    def pauses(self) -> LinuxPauses:
        """Where the run can be paused; as uprobe_core.backend.Machine."""
        if self.runner.pauses is None:
            from uprobe_linux.pausing.pauses import LinuxPauses  # few runs are paused

            self.runner.pauses = LinuxPauses(self)
        return self.runner.pauses

    def _first_process(self) -> LinuxProcess:
        entry = self.family.pids.add(None, uid=os.getuid(), clock=self.clock.monotonic())
        memory = AddressSpace(self.arena, self.cpu, self.target.limits.memory)
        process = LinuxProcess(self, entry.pid, memory)
        process.signals = SignalTable()
        process.files = FdTable()
        process.files.adopt_standard()
        process.credentials = Credentials.of_host()
        self._enter_directory(process)
        self.family.adopt(process, entry)
        return process

    def _enter_directory(self, process: LinuxProcess) -> None:
        try:
            process.fs = FsContext(self.sandbox.mounts, self.sandbox.cwd)
        except OSError as error:
            raise shortage(error, f"enter {self.sandbox.cwd}") or TargetError(
                f"cannot enter working directory {self.sandbox.cwd}: {error.strerror}",
                exit_status=125,
                hint="--cwd names a folder as the program sees it",
            ) from error

    def load(self) -> None:
        """Put the target's program into memory; raises TargetError."""
        process = self.main
        argv = [os.fsencode(text) for text in self.target.argv]
        envp = [os.fsencode(f"{name}={value}") for name, value in self.target.env.items()]
        if not argv:
            raise TargetError("no program was given", exit_status=127)
        image = self._find(process, argv, envp)
        task = LinuxTask(process, process.pid, self.cpu.save())
        task.signals = TaskSignals()
        process.tasks.append(task)
        self.switch_to(task)
        try:
            install(task, image)
        except OSError as error:
            raise TargetError(f"cannot load {self.target.argv[0]}: {error.strerror}") from error
        self.family.entry(process).comm = task.comm
        self.scheduler.only(task)

    def _find(self, process: LinuxProcess, argv: list[bytes], envp: list[bytes]) -> Image:
        """The image of argv[0], looked for in the guest's PATH if it has no slash."""
        name = self.target.argv[0]
        refusal: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        for path in self._candidates(name):
            try:
                return prepare(process, path, argv, envp)
            except OSError as error:
                is_there = isinstance(error, NoInterpreterError)
                if error.errno == errno.EACCES and name != path and self._is_nowhere(path):
                    continue
                if is_there or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    refusal = error
                    if is_there or "/" in name or error.errno != errno.EACCES:
                        break
        raise _target_error(name, refusal)

    def _is_nowhere(self, path: str) -> bool:
        """Whether a folder of PATH that not everybody may enter (root's own) has no such program anyway."""
        return self.target.sysroot is None and not os.path.lexists(path)

    def _candidates(self, name: str) -> list[str]:
        if "/" in name:
            return [name]
        path = self.target.env.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        return [os.path.join(folder or ".", name) for folder in path.split(":")] if name else []

    # --- the contract ----------------------------------------------------------------------------

    def run(self) -> ExitStatus:
        """Run until the first process ends or a limit is reached; called once."""
        self.watcher.start()
        self.limits.start()
        if self.meter is not None:
            self.meter.start()
        try:
            self.runner.run()
        finally:
            if self.current is not None:
                self.tell_code(self.current.process)
            self.watcher.stop()
            try:
                finish(self)  # the limits hold for those that are waited for, too
            finally:
                self.limits.stop()
                if self.meter is not None:
                    self.meter.stop()
        return self.exit_status()

    def exit_status(self) -> ExitStatus:
        """How the main process ended, or why the run did."""
        if self.stop_requested and self.main.exit_code is None:
            return ExitStatus(signal=signal.SIGKILL, reason=self.stop_requested)
        main = self.main
        pc, fault = main.killed_at if main.exit_signal else (None, None)
        return ExitStatus(main.exit_code or 0, main.exit_signal, self.stop_requested, pc, fault)

    def request_stop(self, reason: str) -> None:
        """End the run soon; from any thread and from signal handlers."""
        if not self.stop_requested:
            self.stop_requested = reason or "stopped"
            if os.getpid() == self.host_pid:
                self.family.pids.close_for_new()
        self.cpu.request_stop(final=True)
        self.family.bell.ring(os.getpid())

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call *function* in the running thread, outside guest execution; from any thread, in order."""
        self.soon.append(function)
        self.cpu.request_stop()
        self.family.bell.ring(os.getpid())

    @property
    def lost_processes(self) -> int:
        """Host processes of the program that somebody else ended; what they had last found is lost."""
        return self.family.pids.lost

    def statistics(self) -> Mapping[str, int]:
        """Counts: "syscalls", "unknown-syscalls", "unknown:NAME", "instructions"."""
        executed = self.cpu.executed - self._executed_elsewhere
        return {"syscalls": 0, "unknown-syscalls": 0, **self.counts, "instructions": executed}

    @property
    def folders(self) -> tuple[str, ...]:
        """Host folders that the machine has made for itself, and changes while it runs."""
        return (self.sandbox.private,)

    def count(self, what: str, times: int = 1) -> None:
        """Count *what* for the statistics."""
        self.counts[what] = self.counts.get(what, 0) + times

    def close(self) -> None:
        """Give everything back; idempotent."""
        if self._closed:
            return
        self._closed = True
        for process in list(self.family.local.values()):
            process.files.close_all()
        self.main.fs.close()
        self._release()

    def _release(self) -> None:
        self.family.close()
        if self._ptys is not None:
            self._ptys.close()
        self.sandbox.close()
        if self.file_times is not None:
            self.file_times.close()
        self.network.close()
        self.cpu.close()

    def tell_code(self, process: Process, start: int = 0, end: int = (1 << 64) - 1) -> None:
        """Tell who asks for it what *process* has executed of [start, end), before that is something else."""
        watcher = self.target.on_code
        blocks = None if watcher is None else self.cpu.take_code(start, end)
        if watcher is not None and blocks:
            watcher.executed(process, blocks)

    def _sampled(self, block: int, address: int) -> None:
        assert self.current is not None
        assert self.target.on_sample is not None
        self.target.on_sample.sampled(self.current, block, address)

    # --- tasks and the CPU -------------------------------------------------------------------------

    @property
    def current(self) -> Task | None:
        """The task whose registers are in the CPU."""
        threads = self._threads
        if threads is not None and threads.moved:
            threads.take_over()
        return self._current

    def switched(self, task: Task) -> None:
        """The CPU has made *task* the current one by itself."""
        if task is not self._current:
            self._current = task
            task.pc_written = False
            self.cpu.ran(task)

    def switch_to(self, task: Task) -> None:
        """Make *task* the one whose registers are in the CPU."""
        before = self.current
        if before is task:
            return
        if before is not None and before.process.memory is not task.process.memory:
            self.tell_code(before.process)
        if before is not None:
            before.stopped = self.cpu.executed
            if not before.exited:
                before.context = self.cpu.save()
        task.elsewhere += self.cpu.executed - task.stopped
        self.cpu.restore(task.context)
        self._current = task
        if before is None or before.process.memory is not task.process.memory:
            self.memory_changed(task.process)

    def memory_changed(self, process: Process) -> None:
        """*process*, which is current, has another address space."""
        if self.current is not None and self.current.process is process:
            self.cpu.set_fill(process.memory.fill)

    def after_fork(self, task: Task) -> None:
        """In a new host process: *task* is the only one, its registers are in its context."""
        self._current = None
        self.counts.clear()
        self._executed_elsewhere = self.cpu.executed
        task.process.memory.wipe_after_fork()
        self.watcher.after_fork()


_CROSS_ROOTS = ("/usr/aarch64-linux-gnu", "/usr/aarch64-linux-musl", "/usr/aarch64-linux-gnu/sys-root")
"""Where distributions put the C library for cross-compilers."""


def _interpreter_hint(path: str) -> str:
    """Where *path*, an interpreter that is not there, can be had."""
    for root in _CROSS_ROOTS:
        if os.path.exists(root + path):
            return f"--sysroot {root} has it; docs/dynamic.md says what a dynamic program needs"
    package = "musl:arm64" if "musl" in path else "libc6:arm64 (or libc6-arm64-cross)"
    what = f"install it (Debian: {package})" if "/ld-" in path else "install what the script is for"
    return f"{what}, or give the root of an arm64 system with --sysroot; see docs/dynamic.md"


def _target_error(name: str, error: OSError) -> UprobeError:
    lacking = shortage(error, f"run {name}")
    if lacking is not None:
        return lacking
    if isinstance(error, NoInterpreterError):
        return TargetError(
            f"cannot run {name}: {error.text}",
            exit_status=127,
            hint=_interpreter_hint(error.path),
            slug="no-interpreter",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        hint = "a path is looked up as the program would: inside --sysroot and --bind, if they are given"
        return TargetError(f"{name}: no such program", exit_status=127, hint=hint)
    if isinstance(error, ElfError):
        return TargetError(f"cannot run {name}: {error.text}")
    return TargetError(f"cannot run {name}: {error.strerror}")
