"""Where a run is paused: before an instruction, between two runs of the CPU; see :mod:`uprobe_core.pauses`.

The runner comes here before each run of the CPU.  As long as somebody wants to see single
instructions, a hook lies wherever the next one can lead, so that each run of the CPU executes one; that
changes nothing of where slices end, which follows from what is executed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.pauses import Pause, PauseKind, Position
from uprobe_core.types import MemoryFault
from uprobe_linux.pausing import copying
from uprobe_linux.pausing.stores import WatchedStores
from uprobe_linux.probing.successors import successors
from uprobe_linux.signals.delivery import is_ignored, take, upcoming

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process, Task
    from uprobe_linux.memory.address_space import AddressSpace
    from uprobe_linux.processes.world import World
    from uprobe_linux.signals.siginfo import SigInfo

__all__ = ("LinuxPauses",)

_PC = 32
_ALL = frozenset(range(1, 65))


class LinuxPauses:
    """Pauses of *machine*; implements :class:`uprobe_core.pauses.Pauses`."""

    def __init__(self, machine: World) -> None:
        self._machine = machine
        self.passed = _ALL
        self.calls: frozenset[int] | None = frozenset()
        self.holds: Callable[[Task, int], bool] | None = None
        self._paused: Callable[[Pause], None] | None = None
        self._process: Process | None = None
        """Whose pauses these are."""
        self._memory: AddressSpace | None = None
        """Of the program that it executes."""
        self._here: Position | None = None
        """Where the task was that was looked at last: it is no arrival to be there again."""
        self._in_call = ""
        """Position.call of the pause that is now."""
        self._asking: Task | None = None
        self._interrupted = False
        self._stepping: Task | None = None
        self._at: int | None = None
        self._window, self._at_calls = 0, False
        self._hooked: list[tuple[Process, int]] = []
        """Where the instruction that is executed now may lead."""
        self._stores = WatchedStores()
        self._told: SigInfo | None = None
        """The signal that the pause is about."""

    # --- the contract ----------------------------------------------------------------------------

    def watch(self, paused: Callable[[Pause], None] | None) -> None:
        """Call *paused* whenever the program is paused."""
        self._paused = paused
        task = self._machine.current
        if paused is None and self._stores.ranges and task is not None:
            self.watch_stores(task.process, frozenset())
        if self._process is None and task is not None:
            self._process, self._memory = task.process, task.process.memory

    @property
    def on(self) -> bool:
        """Whether anybody wants pauses."""
        return self._paused is not None

    def position(self) -> Position:
        """Where the run is."""
        task = self._machine.current
        assert task is not None
        return self._position(task)

    def _position(self, task: Task) -> Position:
        return Position(self._machine.cpu.executed, task.tid, task.get_reg(_PC), self._in_call)

    def tasks(self, process: Process) -> Sequence[Task]:
        """The tasks of *process* that have not ended."""
        return [task for task in process.tasks if not task.exited]

    def ask(self, task: Task) -> None:
        """From a handler: pause before the probed instruction of *task*."""
        self._asking = task
        self._machine.cpu.request_stop()

    def interrupt(self) -> None:
        """Pause soon; from any thread."""
        self._interrupted = True
        self._machine.soon.append(self._interrupt)
        self._machine.cpu.request_stop()
        self._machine.family.bell.ring(self._machine.host_pid)

    def _interrupt(self) -> None:
        """At a safe point: of a child that shares the memory there is none, and the parent's next one is."""
        task = self._machine.current
        if task is None or task.exited or task.stepping or task.process is not self._process:
            return
        if self._interrupted:
            self._pause(PauseKind.ASKED, task)

    def step(self, task: Task | None) -> None:
        """Pause once *task* has executed one instruction."""
        self._stepping = task

    def pause_at(self, executed: int | None, window: int = 0, *, in_calls: bool = False) -> None:
        """Pause before each instruction from that with so many before it."""
        self._at, self._window, self._at_calls = executed, window, in_calls

    def add_breakpoint(self, process: Process, address: int) -> None:
        """Pause before each execution at *address*; counted."""
        process.probes.insert_pause(address)

    def remove_breakpoint(self, process: Process, address: int) -> None:
        """Undo one add_breakpoint."""
        process.probes.remove_pause(address)

    def watch_stores(self, process: Process, ranges: frozenset[tuple[int, int]]) -> None:
        """Pause before each store to one of *ranges*, [start, end), and no others."""
        self._stores.set(process.memory, ranges)

    def ignore_signal(self, task: Task) -> None:
        """The signal that the pause is about is not delivered."""
        if self._told is not None:
            self._told = None
            take(task)

    def signal_info(self) -> bytes:
        """The siginfo of the signal that the pause is about, b"" if it is about none."""
        return b"" if self._told is None else self._told.pack()

    def get_system(self, task: Task, name: str) -> int:
        """One of "fpsr", "fpcr" and "tpidr"."""
        return task.get_system(name)

    def set_system(self, task: Task, name: str, value: int) -> None:
        """Write one of them."""
        task.set_system(name, value)

    def auxv(self, process: Process) -> bytes:
        """The auxiliary vector that *process* was started with."""
        return process.auxv

    def executable(self, process: Process) -> str:
        """The path of its program, as the guest has it."""
        return process.exe_path

    def command_line(self, process: Process) -> bytes:
        """Its arguments, each with a NUL behind it."""
        return b"".join(word + b"\0" for word in process.argv)

    def become_copy(self, descriptors: Iterable[int]) -> None:
        """In a forked process: what is shared is copied."""
        copying.separate(self._machine, descriptors)

    def wake_copy(self) -> None:
        """The copy is about to run on."""
        copying.wake(self._machine)

    # --- what the runner calls ---------------------------------------------------------------------

    def signal(self, task: Task) -> None:
        """A signal is about to be delivered to *task*."""
        while (info := upcoming(task)) is not None and info.signo not in self.passed:
            self._told = info
            self._pause(PauseKind.SIGNAL, task, info.signo)
            told, self._told = self._told, None
            if told is not None:
                return  # and it is delivered

    def call(self, task: Task, number: int, *, answered: bool) -> None:
        """*task* makes system call *number*, or has its answer and has not gone on."""
        if not self.on or task.stepping or task.exited or task.process is not self._process:
            return
        kind = PauseKind.ANSWER if answered else PauseKind.CALL
        is_asked = self.calls is None or number in self.calls
        if not is_asked or self._stepping is task:  # a step over a call ends behind it
            if self._at is None or not self._at_calls or self._machine.cpu.executed < self._at:
                return
            kind = PauseKind.POSITION
        self._in_call = "answered" if answered else "made"
        self._pause(kind, task, number=number)
        self._in_call = ""

    def interrupts(self, task: Task) -> None:
        """A signal is there for *task*: if it sleeps in a call, that has its answer first, as in a kernel."""
        info = upcoming(task) if task.pending is not None and self.on else None
        if info is not None and not is_ignored(task, info.signo):
            self.call(task, task.syscall_number, answered=True)

    def signals_taken(self, task: Task) -> None:
        """*task* is behind what was to be delivered."""
        if task is self._stepping:
            self._here = None  # the first instruction of its handler is where the step ends

    def looks_at(self, task: Task) -> bool:
        """Whether to call :meth:`before`.

        Of a child that shares the memory, and in a step over a probed instruction, if a store was refused.
        """
        return self.on and (self._stores.is_refused or (task.process is self._process and not task.stepping))

    def before(self, task: Task) -> None:
        """*task* is about to execute an instruction, and perhaps more."""
        is_store = bool(self._stores.ranges) and self._stores.take(task)
        here = self._position(task)
        address = self._stores.touched(task) if is_store and task.process is self._process else None
        kind = self._reason(task, here) if address is None else PauseKind.STORE
        self._here = here
        if kind is not None:
            self._pause(kind, task, address=address or 0)
            if self._machine.stop_requested:
                return
        if not task.stepping and (is_store or self._sees_each(here.executed)):
            self._lead(task)

    def refused(self, task: Task) -> None:
        """*task* was refused a store although its program may make it."""
        self._stores.faulted(task)

    def budget(self, budget: int) -> int:
        """For how long the CPU may run, as Cpu.run takes it: up to where single instructions matter."""
        if self._at is None or self._hooked:
            return budget
        left = self._at - self._window - self._machine.cpu.executed
        if left <= 0:
            return budget
        return min(budget, left) if budget else left

    def after(self) -> None:
        """The CPU has run."""
        for process, address in self._hooked:
            process.probes.remove_pause(address)
        self._hooked.clear()
        self._stores.after()

    # --- inside --------------------------------------------------------------------------------------

    def _reason(self, task: Task, here: Position) -> PauseKind | None:
        if task.stepping or task.process is not self._process:
            return None
        if task.process.memory is not self._memory:
            self._memory = task.process.memory
            return PauseKind.EXEC
        if self._asking is task or self._interrupted:
            return PauseKind.ASKED
        if here == self._here:
            return None
        if here._replace(call="answered") != self._here:  # it was seen there, behind its call
            if self._is_hit(task, here.pc):
                return PauseKind.BREAKPOINT
            if self._stepping is task:
                return PauseKind.STEP
        return PauseKind.POSITION if self._at is not None and here.executed >= self._at else None

    def _is_hit(self, task: Task, address: int) -> bool:
        """Whether *task* is at a breakpoint that is to pause it."""
        hooks = sum(where == (task.process, address) for where in self._hooked)
        is_there = task.process.probes.at(address).pauses > hooks
        return is_there and (self.holds is None or self.holds(task, address))

    def _pause(self, kind: PauseKind, task: Task, signal: int = 0, address: int = 0, number: int = 0) -> None:
        if kind is not PauseKind.POSITION:
            self._asking = self._stepping = None
            self._interrupted = False
        if self._paused is None:  # whoever asked has left meanwhile
            return
        self._paused(Pause(kind, task, signal, address, number))
        if self._machine.current is task and (kind is not PauseKind.POSITION or not self._in_call):
            self._here = self._position(task)

    def _sees_each(self, executed: int) -> bool:
        """Whether each instruction is to be seen from here on."""
        return self._stepping is not None or (self._at is not None and executed >= self._at - self._window)

    def _lead(self, task: Task) -> None:
        """Hooks wherever the instruction at PC can lead."""
        pc, probes = task.get_reg(_PC), task.process.probes
        original = probes.at(pc).original
        word = task.process.memory.fetch_word(pc) if original is None else int.from_bytes(original, "little")
        for address in {*successors(word, pc, task.get_reg)}:
            try:
                probes.insert_pause(address)
            except MemoryFault:
                continue
            self._hooked.append((task.process, address))
