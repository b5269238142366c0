"""What the rooms ask of the machine, its processes and their tasks.

A signal is sent to a task, a task belongs to a process, a process to a machine, and a machine
sends signals: whoever holds one of them holds them all. So each room is written against these
Protocols and imports no other room for its types; :class:`~uprobe_linux.machine.LinuxMachine`,
``LinuxProcess`` and ``LinuxTask`` are what fits them.

Parts that only their own rooms look into (descriptor tables, signal tables, directories) are
``Any`` here; those rooms know their types.
"""

from __future__ import annotations

import random
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from uprobe_core import backend
from uprobe_linux.calls import Syscall, Wait
from uprobe_linux.cpu import Cpu
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.pace import Clock, Turns, Watcher
from uprobe_linux.shared.pids import PidTable, ProcessEntry

__all__ = (
    "Clock",
    "Family",
    "Machine",
    "Process",
    "Scheduler",
    "Task",
    "Timers",
    "Turns",
    "Watcher",
)


class Task(backend.Task, Protocol):
    """A thread (:class:`uprobe_linux.processes.task.LinuxTask`)."""

    name: bytes
    context: object
    exited: bool
    wait: Wait | None
    pending: tuple[Syscall, tuple[int, ...]] | None
    signals: Any
    clear_child_tid: int
    robust_list: int
    stepping: bool
    landings: tuple[int, ...]
    syscall_number: int
    pc_written: bool
    skip_hook: int
    elsewhere: int
    stopped: int

    @property
    def process(self) -> Process:
        """The process that it is a thread of."""
        ...

    def all_regs(self) -> tuple[list[int], list[int]]:
        """All general and all vector registers."""
        ...

    def set_all_regs(self, regs: Sequence[int], vectors: Sequence[int]) -> None:
        """Write all of them."""
        ...

    @property
    def machine(self) -> Machine:
        """The machine of its process."""
        ...

    def get_system(self, name: str) -> int:
        """One of "tpidr", "fpsr" and "fpcr"."""
        ...

    def set_system(self, name: str, value: int) -> None:
        """Write one of them."""
        ...


class Process(backend.Process, Protocol):
    """A process (:class:`uprobe_linux.processes.process.LinuxProcess`)."""

    memory: AddressSpace
    tasks: list[Task]
    exe_path: str
    argv: list[bytes]
    envp: list[bytes]
    auxv: bytes
    rlimits: array[int]
    personality: int
    files: Any
    fs: Any
    signals: Any
    credentials: Any
    random: random.Random
    sigreturn_address: int
    signal_watcher: Callable[[Process, int], None] | None
    exit_code: int | None
    exit_signal: int
    killed_at: tuple[int | None, int | None]
    terminal_left: int
    probes: Any

    @property
    def machine(self) -> Machine:
        """The machine that it runs on."""
        ...

    def new_memory(self) -> AddressSpace:
        """An empty address space in place of the old one."""
        ...


class Family(Protocol):
    """All processes of the machine (:class:`uprobe_linux.processes.family.Family`)."""

    @property
    def pids(self) -> PidTable:
        """Those of all host processes."""
        ...

    @property
    def local(self) -> Mapping[int, Process]:
        """Guest pid -> process, of those that live in this host process."""
        ...

    root_host_pid: int
    """The host process that the run began in."""
    root_pidfd: int
    """Readable when that is gone."""

    @property
    def main_pid(self) -> int:
        """The pid of the first process."""
        ...

    @property
    def bell(self) -> Any:
        """How host processes wake each other (a ``Doorbell``)."""
        ...

    @property
    def ipc(self) -> Any:
        """The System V objects (an ``IpcStore``)."""
        ...

    @property
    def papers(self) -> Any:
        """What processes say of themselves (``Papers``)."""
        ...

    @property
    def futexes(self) -> Any:
        """Who waits for futexes (``FutexQueues``)."""
        ...

    def entry(self, process: Process) -> ProcessEntry:
        """The table's entry of a process that is here."""
        ...

    def is_orphaned(self, process: Process) -> bool:
        """Whether the process's group has nobody to continue it."""
        ...

    def descriptors(self) -> Iterable[int]:
        """Host descriptors that an idle host process has to watch."""
        ...

    def polled(self, ready: set[int]) -> None:
        """These descriptors were readable."""
        ...

    def is_rung(self) -> bool:
        """Whether somebody rang since the last look."""
        ...

    def rung(self) -> None:
        """Somebody rang; from any thread."""
        ...

    def look(self) -> None:
        """Take what other host processes have left for us."""
        ...

    def receive(self, before: int | None) -> bool:
        """Take what was left for us before moment *before*, None: all; whether there is more."""
        ...

    def ring(self, host_pid: int) -> None:
        """Have a host process look at its mail."""
        ...

    def nudge(self, host_pid: int) -> None:
        """Have a host process look at its children and shared futexes."""
        ...

    def kill_process(self, process: Process, signo: int) -> None:
        """End *process* by signal *signo*."""
        ...

    def wake_futex(self, task: Task, address: int, count: int) -> int:
        """FUTEX_WAKE by the kernel side; returns how many were woken."""
        ...

    def reap_silently(self, parent_pid: int) -> None:
        """The zombies of a parent that ignores SIGCHLD vanish."""
        ...


class Scheduler(Protocol):
    """Who runs next (:class:`uprobe_linux.scheduling.scheduler.Scheduler`)."""

    attention: bool

    def add(self, task: Task) -> None:
        """A new thread."""
        ...

    def drop(self, task: Task) -> None:
        """A thread that ended or left; idempotent."""
        ...

    def only(self, task: Task) -> None:
        """In a new host process: *task* is all there is."""
        ...

    def wake(self, key: Any, count: int = ...) -> int:
        """Wake at most *count* threads that wait for *key*; returns how many."""
        ...

    def wake_task(self, task: Task) -> None:
        """What *task* waits for may be there."""
        ...

    def attend(self) -> None:
        """The running thread must come back before it goes on."""
        ...

    def collect_futexes(self) -> None:
        """Wake the threads whose futex waiters were woken."""
        ...

    def interrupt(self, task: Task) -> None:
        """A signal for *task* was queued."""
        ...

    def abandon(self, wait: Wait) -> None:
        """The blocked call of *wait* will not be made again."""
        ...

    def resumed(self) -> None:
        """A stopped process goes on."""
        ...


class Timers(Protocol):
    """The timers of this host process (:class:`uprobe_linux.scheduling.timers.Timers`)."""

    def expire(self) -> None:
        """Send the signals of all timers whose time has come."""
        ...

    def next_expiry(self, *, asleep: bool = False) -> int | None:
        """When (monotonic ns) the next timer expires."""
        ...

    def forget(self, process: Process) -> None:
        """*process* ended: all its timers go."""
        ...

    def before_fork(self) -> None:
        """From now on others may hold our descriptors."""
        ...

    def keep_only(self, process: Process) -> None:
        """In a new host process: only *process* is here."""
        ...

    def delivered(self, info: Any) -> Any:
        """A timer's signal (a ``SigInfo``) is taken."""
        ...


class Machine(Protocol):
    """Everything of one run that is in this host process (:class:`uprobe_linux.machine.LinuxMachine`)."""

    host_pid: int
    """Of the host process that the run started in."""
    stop_requested: str
    """Why the run is to end early, "" while it is not."""

    @property
    def current(self) -> Task | None:
        """The task whose registers are in the CPU."""
        ...

    @property
    def target(self) -> backend.Target:
        """What is run."""
        ...

    @property
    def handler(self) -> backend.ProbeHandler:
        """Who is told of hits and processes."""
        ...

    @property
    def cpu(self) -> Cpu:
        """The CPU."""
        ...

    @property
    def clock(self) -> Clock:
        """The guest's time."""
        ...

    @property
    def soon(self) -> deque[Callable[[], None]]:
        """What is to be called outside of guest execution."""
        ...

    meter: Any
    """What bounds the memory of all processes together (a ``MemoryMeter``), None: nothing does."""

    @property
    def sandbox(self) -> Any:
        """The mounts (a ``Sandbox``)."""
        ...

    @property
    def family(self) -> Family:
        """All processes."""
        ...

    @property
    def scheduler(self) -> Scheduler:
        """Who runs next."""
        ...

    @property
    def turns(self) -> Turns:
        """Our place among the processes."""
        ...

    @property
    def timers(self) -> Timers:
        """The timers of the processes that are here."""
        ...

    @property
    def ptys(self) -> Any:
        """The pseudo-terminals of the run (``Ptys``)."""
        ...

    @property
    def has_ptys(self) -> bool:
        """Whether a process of the run has made one."""
        ...

    @property
    def watcher(self) -> Watcher:
        """What stops the emulator from outside."""
        ...

    def request_stop(self, reason: str) -> None:
        """End the run soon."""
        ...

    def count(self, what: str, times: int = 1) -> None:
        """Count *what* for the statistics."""
        ...

    def tell_code(self, process: Process, start: int = 0, end: int = (1 << 64) - 1) -> None:
        """Tell who asks for it what *process* has executed of [start, end), before that is something else."""
        ...

    def switch_to(self, task: Task) -> None:
        """Make *task* the one whose registers are in the CPU."""
        ...

    def memory_changed(self, process: Process) -> None:
        """*process* has another address space."""
        ...

    def after_fork(self, task: Task) -> None:
        """In a new host process: *task* is the only one."""
        ...
