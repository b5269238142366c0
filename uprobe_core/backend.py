"""The backend contract: what executes the program, and what the core is told.

Three roles.  The core asks a :class:`Backend` to open a :class:`Target`, gets a :class:`Machine`, and gives
it a :class:`ProbeHandler`.  While the machine runs, it tells the handler about traps, steps and process
events, and the handler acts on :class:`Process` and :class:`Task`.

Everything is called in the thread that called :meth:`Machine.run`, except :meth:`Machine.request_stop`.
Exceptions that a handler method raises end the run and come out of :meth:`Machine.run` unchanged.

A backend that has threads runs them one after the other; between a callback's
call and return no guest instruction runs in that process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingABC
from typing import Any, NamedTuple, Protocol, runtime_checkable

from uprobe_core.capabilities import Capabilities
from uprobe_core.event_model import Condition
from uprobe_core.target import Bind, ExitStatus, Limits, Target
from uprobe_core.types import Analysis, Fault, Mapping, TrapResult

__all__ = (
    "LEFT_ALONE",
    "MAPPED_LATE",
    "Backend",
    "Bind",
    "Capabilities",
    "Conditions",
    "ExitStatus",
    "Fact",
    "Limits",
    "Machine",
    "ProbeHandler",
    "Process",
    "Target",
    "Task",
)

LEFT_ALONE, MAPPED_LATE = "left-alone", "mapped-late"
"""In :meth:`Machine.statistics`: processes that run without probes; mappings with probes, told of late."""


class Task(Protocol):
    """One guest thread; hashable, by identity: the core keeps what it knows of it in a mapping.

    Also a :class:`~uprobe_core.types.RegisterFile`.
    """

    tid: int
    """As the guest's gettid gives it."""

    @property
    def process(self) -> Process:
        """The process that it is a thread of."""
        ...

    @property
    def comm(self) -> str:
        """The task name as exec or prctl(PR_SET_NAME) left it: its first 15 bytes."""
        ...

    def get_reg(self, index: int) -> int:
        """Register *index*, unsigned: numbers are :class:`~uprobe_core.architecture.Registers`'."""
        ...

    def set_reg(self, index: int, value: int) -> None:
        """Write register *index*; inside a callback, a written PC is where the task resumes."""
        ...

    def get_vec(self, index: int) -> int:
        """Vector register *index*, unsigned; BackendError without Capabilities.vectors."""
        ...

    def set_vec(self, index: int, value: int) -> None:
        """Write vector register *index*."""
        ...

    def single_step(self, on: bool) -> None:
        """While on, the backend reports on_step_done after the next completed instruction of this task."""
        ...

    def work(self) -> int:
        """Instructions that the task has executed; only differences mean something (Capabilities.work)."""
        ...

    def clock(self) -> int:
        """Nanoseconds for trace timestamps; never runs backwards within a machine."""
        ...

    def cpu(self) -> int:
        """Number of the (virtual) CPU, for trace text."""
        ...


class Process(Protocol):
    """One guest address space; hashable, by identity, and the same object until it ends.

    Also :class:`~uprobe_core.types.GuestMemory`.
    """

    pid: int

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes of the guest's data view; raises MemoryFault.

        With Capabilities.unreadable also for what is mapped and not the program's to read (PROT_NONE).
        """
        ...

    def write(self, address: int, data: bytes) -> None:
        """Store through the guest's own permissions, keeping translations coherent; raises MemoryFault.

        For handlers that change the program's memory; the core itself never does.
        """
        ...

    def poke(self, address: int, data: bytes) -> None:
        """Store whatever the guest's write permission (semaphores, tests); raises MemoryFault if unmapped."""
        ...

    def mappings(self) -> Sequence[Mapping]:
        """All mappings, sorted by address: the caller's own list, which later events do not change.

        Each says whether it is private or shared, since a kernel probes private ones alone.
        """
        ...

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """Put a breakpoint over the instruction at *address* (Mode.TRAP).

        :param visible: the guest's own data reads see it (policy=kernel); else only fetches do

        Idempotent.  Takes effect before the next guest instruction.
        """
        ...

    def remove_trap(self, address: int) -> None:
        """Take the breakpoint at *address* out again; no-op if there is none."""
        ...

    def insert_inline(self, address: int) -> None:
        """Report on_inline before each execution of the instruction at *address* (Mode.INLINE)."""
        ...

    def remove_inline(self, address: int) -> None:
        """Undo insert_inline; no-op if there is none."""
        ...

    def insert_watch(self, address: int) -> None:
        """Report on_watch before each execution at *address*, invisibly (Returns.WATCH); counted."""
        ...

    def remove_watch(self, address: int) -> None:
        """Undo one insert_watch."""
        ...

    def create_xol_area(self, trap: bytes) -> tuple[int, int, int]:
        """Map the XOL page if it is not there; returns (address, size in bytes, stride in bytes).

        :param trap: the architecture's trap instruction, slot_bytes at most

        The first stride-free unit at *address* is the return trampoline, which
        holds *trap*, and on_trap is told of it; slots follow at *address* +
        slot_bytes, one per *stride*.  It is among :meth:`mappings` as "[uprobes]",
        executable and not the program's to write; the kernel has it at the top of the address space.
        """
        ...

    def write_slot(self, address: int, insn: bytes) -> None:
        """Store *insn* into a slot without making translations coherent; that is flush's part."""
        ...

    def flush(self, address: int, size: int) -> None:
        """Forget translations of [address, address + size)."""
        ...


class ProbeHandler(Protocol):
    """What a machine tells the core.  One object serves all processes of a machine."""

    def on_trap(self, task: Task, address: int) -> TrapResult | Fault:
        """A trap instruction was reached at *address* in user mode; PC is *address*.

        HANDLED: resume the task at its PC (which the core may have moved).
        SIMULATED: the same, and one instruction was executed.
        NOT_OURS: give the program the SIGTRAP that it would have got, at its
        PC (which the core may have moved out of a slot).
        A Fault: the simulated instruction faulted; deliver it like any other.
        Also called when the instruction that is being single-stepped is a trap.
        """
        ...

    def analyze(self, insn: bytes, address: int) -> Analysis:
        """What the architecture says of the instruction *insn* that lies at *address*.

        For a backend that executes displaced instructions itself (Mode.INLINE, Returns.WATCH):
        whether one may run elsewhere, or has a function that does what it does.
        """
        ...

    def on_inline(self, task: Task, address: int) -> None:
        """The task is about to execute the instruction at *address*, which has an inline probe.

        If PC is moved, the instruction is skipped and the task resumes there.
        """
        ...

    def on_watch(self, task: Task, address: int) -> None:
        """The task is about to execute *address*, where a return is watched for."""
        ...

    def on_step_done(self, task: Task) -> None:
        """The single-stepped instruction completed.

        For a system call this comes after PC has moved past the instruction
        and before the call is made, so that the call sees the task's own PC
        (Capabilities.steps_before_calls; the others are given none to step).
        """
        ...

    def on_step_fault(self, task: Task, fault: Fault) -> Fault | None:
        """The single-stepped instruction faulted with *fault*, PC in the slot.

        The core aborts the step (PC is the probed address again) and returns
        the fault to deliver, None to resume without one.
        """
        ...

    def may_deliver_signal(self, task: Task) -> bool:
        """Whether an asynchronous signal may be delivered now; False while a step is under way.

        A backend without Capabilities.signals does not ask: a signal may then interrupt a step.
        """
        ...

    def on_mmap(self, process: Process, mapping: Mapping) -> None:
        """A file was mapped (also by exec and the loader); probes are placed before it is used."""
        ...

    def on_idle(self) -> None:
        """Nothing of the program can run until it is woken; who never waits for it need not call this."""
        ...

    def on_munmap(self, process: Process, start: int, end: int) -> None:
        """[start, end) is about to lose its mapping, and the backend's breakpoints in it go with it.

        What is mapped there later has none; inline probes and watches are the core's to take out.
        """
        ...

    def on_code_written(self, process: Process, start: int, end: int) -> None:
        """The guest wrote into [start, end), which it executed before; see Capabilities.code_writes."""
        ...

    def on_task(self, parent: Task, task: Task) -> None:
        """*parent* started a thread of the same address space.

        Never called by a backend without threads, whose only task is that of the first on_mmap.
        """
        ...

    def on_fork(self, parent: Task, child: Task, *, shares_memory: bool) -> None:
        """*parent* forked; called in the child's side, whose process has a copy of everything.

        Where a guest fork is a host fork, it is called in the new host process.
        """
        ...

    def on_exec(self, task: Task) -> None:
        """*task* replaced its address space; called before the first on_mmap of the new image."""
        ...

    def on_killed(self, task: Task, signal: int) -> None:
        """*signal* is about to end the process of *task*, still whole: the core looks at its stack."""
        ...

    def on_exit(self, task: Task) -> None:
        """*task* ended, by itself or by a signal."""
        ...

    def on_gone(self, process: Process) -> None:
        """*process*, which may have shared its memory (vfork), is in this host process no longer."""
        ...

    def on_end(self) -> None:
        """No task is left in this host process, which forks of the guest made, and it is about to end."""
        ...


class Conditions(Protocol):
    """What a machine may have as its ``conditions``: filters that are decided where the program runs.

    A hit for which none holds is not reported, only counted.
    """

    def decide(
        self,
        process: Process,
        address: int,
        conditions: Sequence[Condition],
        passed: Callable[[int], None],
    ) -> str:
        """From now on report hits at *address* only if one of *conditions* holds; without any report all.

        A hit of which that cannot be said, because memory cannot be read, is reported.

        :param passed: called with how many hits were not reported since the last time: in :meth:`settle`,
            and at the latest when this changes, the place loses its probe, or the run ends
        :returns: "" if it is so, else why all are reported, in words
        """
        ...

    def settle(self) -> None:
        """Call every *passed*, if that can be known now: not while the program runs."""
        ...


class Machine(Protocol):
    """A program that is ready to run; it may have :class:`Conditions`."""

    capabilities: Capabilities

    native: Any
    """A :class:`~uprobe_core.native_backend.NativeBackend`, None if it places no sites of a native engine."""

    @property
    def current(self) -> Task | None:
        """The task that runs, or ran last; inside callbacks the one that they are about."""
        ...

    def run(self) -> ExitStatus:
        """Run until the first process ends (or a limit is reached); called once.

        The backend enforces the limits of its target that its capabilities name,
        and says in the status which one ended the run; the core enforces none.
        """
        ...

    def request_stop(self, reason: str) -> None:
        """End the run soon; may be called from any thread and from a signal handler."""
        ...

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call *function* in the running thread at the next safe point, outside guest execution.

        May be called from any thread and from callbacks; functions run in the order given.  Before
        :meth:`run` it waits for the start.  What one raises ends the run like what a handler raises.
        """
        ...

    def statistics(self) -> MappingABC[str, int]:
        """Counts by name, of this host process, as they are now.

        Always "syscalls": those that were seen, which is all if a Target.on_syscall is told of them; and
        "unknown-syscalls": those that the backend itself does not know (0 if a kernel makes them), with
        "unknown:NAME" for each (``--debug`` shows them).  "instructions" where counted.  The user is warned
        of what a backend counts as :data:`LEFT_ALONE` and :data:`MAPPED_LATE`.
        """
        ...

    def close(self) -> None:
        """Give everything back; idempotent."""
        ...


class Fact(NamedTuple):
    """Something about a backend that ``uprobe doctor`` shows.

    :param good: whether it is as it is best
    :param hint: what to do if it is not
    """

    name: str
    good: bool
    detail: str
    hint: str = ""


@runtime_checkable
class Backend(Protocol):
    """A backend plugin: a class without constructor arguments, in ``uprobe.backends``.

    It may have a method ``facts() -> Iterable[Fact]``, which looks at this installation, and, if it is
    ``confined``, ``load() -> None``, which imports what :meth:`open` needs.  A machine of such a backend
    may have ``folders``, a sequence of host folders that it has made for itself.
    """

    name: str
    capabilities: Capabilities

    def open(self, target: Target, handler: ProbeHandler) -> Machine:
        """Load the program, telling *handler* of every mapping; nothing of it has run yet.

        Raises TargetError for what is wrong with the program, which it names (its ``exit_status`` is 127 if
        it is not there, 126 if it cannot be executed), and BackendError for what the backend cannot do.
        """
        ...
