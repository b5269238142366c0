"""What a backend offers to whoever stops its program and looks at it: ``Machine.pauses``.

A machine may have the attribute ``pauses``, a :class:`Pauses`; without it a run cannot be
stopped (``--stop-at``, ``--repl``), and the core says so.  While the program is paused no guest instruction
runs, and its tasks and processes may be read and changed through their own contracts.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from uprobe_core.backend import Process, Task

__all__ = ("Pause", "PauseKind", "Pauses", "Position")


class PauseKind(enum.Enum):
    """Why a program was paused."""

    ASKED = "asked"
    """:meth:`Pauses.ask` or :meth:`Pauses.interrupt` was called."""
    BREAKPOINT = "breakpoint"
    """The task is about to execute an instruction that has a breakpoint."""
    STEP = "step"
    """The task that was to make a step has made it."""
    POSITION = "position"
    """The position of :meth:`Pauses.pause_at` was reached."""
    STORE = "store"
    """The task is about to store to a range of :meth:`Pauses.watch_stores`."""
    SIGNAL = "signal"
    """A signal is about to be delivered."""
    CALL = "call"
    """The task makes one of the system calls of :attr:`Pauses.calls`: nothing of it has happened yet, and PC
    is behind the instruction."""
    ANSWER = "answer"
    """That call has got its result; or a signal interrupts it, which has not been delivered.  None comes of
    calls that do not go back to where they were made: exit, rt_sigreturn, an execve that succeeds."""
    EXEC = "exec"
    """The process has executed another program, whose first instruction is next; its breakpoints and watched
    ranges went with the memory of the one before."""


class Position(NamedTuple):
    """A moment of a run: before an instruction is executed.

    :param executed: instructions that the machine has executed before
    :param tid: of the task that executes it
    :param pc: where it lies; an instruction that faults and the handler of its signal have one *executed*
    :param call: "made" or "answered" in a pause of PauseKind.CALL or ANSWER, which come, in this order,
        before the instruction behind the call
    """

    executed: int
    tid: int
    pc: int
    call: str = ""


class Pause(NamedTuple):
    """One pause.

    :param signal: for PauseKind.SIGNAL, its number on the program's system
    :param address: for PauseKind.STORE, the start of the range
    :param number: for PauseKind.CALL and ANSWER, of the system call
    """

    kind: PauseKind
    task: Task
    signal: int = 0
    address: int = 0
    number: int = 0


class Pauses(Protocol):
    """Pauses of one machine.  All but :meth:`interrupt` is for the running thread: from the callback, and
    from handlers of hits.
    """

    passed: frozenset[int]
    """Signals that are delivered without a pause; all, as long as nobody has written here."""
    calls: frozenset[int] | None
    """Numbers of the system calls to pause at, None: all; empty, as long as nobody has written here."""
    holds: Callable[[Task, int], bool] | None
    """Asked at each breakpoint, with its address, whether to pause there; None: always."""

    def watch(self, paused: Callable[[Pause], None] | None) -> None:
        """Call *paused* whenever the program is paused; it goes on when that returns.  None: no pauses.

        The program is the current process: what it forks is not paused.
        """
        ...

    def position(self) -> Position:
        """Where the run is, while it is paused."""
        ...

    def tasks(self, process: Process) -> Sequence[Task]:
        """The tasks of *process* that have not ended."""
        ...

    def ask(self, task: Task) -> None:
        """From a handler of a hit: pause before the next instruction of *task* that can be paused at,
        which is the probed one.
        """
        ...

    def interrupt(self) -> None:
        """Pause soon; from any thread."""
        ...

    def step(self, task: Task | None) -> None:
        """Pause once *task* has executed one more instruction, or is about to enter a handler of a signal."""
        ...

    def pause_at(self, executed: int | None, window: int = 0, *, in_calls: bool = False) -> None:
        """Pause before each instruction from the one before which so many were executed; None: do not.

        :param window: how many instructions earlier the program is executed one by one, so that none is
            passed over; if one is, the pause comes late, and its position says so
        :param in_calls: also where system calls are made and answered, whichever they are
        """
        ...

    def add_breakpoint(self, process: Process, address: int) -> None:
        """Pause before each execution at *address*; counted.  Invisible to the program."""
        ...

    def remove_breakpoint(self, process: Process, address: int) -> None:
        """Undo one add_breakpoint."""
        ...

    def watch_stores(self, process: Process, ranges: frozenset[tuple[int, int]]) -> None:
        """Pause before each store of an instruction to one of *ranges*, [start, end), and no others any more.

        The program cannot tell.  What system calls write is not seen; one that changes nothing need not be.
        """
        ...

    def ignore_signal(self, task: Task) -> None:
        """In a pause of PauseKind.SIGNAL: the signal is not delivered."""
        ...

    def signal_info(self) -> bytes:
        """In such a pause: the siginfo of the signal, as a handler would get it; b"" in others."""
        ...

    def get_system(self, task: Task, name: str) -> int:
        """A register that is not one of the general ones: "fpsr", "fpcr", "tpidr"."""
        ...

    def set_system(self, task: Task, name: str, value: int) -> None:
        """Write one of them."""
        ...

    def auxv(self, process: Process) -> bytes:
        """The auxiliary vector that *process* was started with, as its ELF class has it."""
        ...

    def executable(self, process: Process) -> str:
        """The path of its program, as the program names it."""
        ...

    def command_line(self, process: Process) -> bytes:
        """Its arguments, each with a NUL behind it, as in /proc/PID/cmdline."""
        ...

    def become_copy(self, descriptors: Iterable[int]) -> None:
        """In a process that was forked in a pause: be a machine of one's own, from here on.

        What the two still shared is copied: memory, positions in files.  Raises OSError.

        :param descriptors: what the run writes to, which the copy writes to nowhere
        """
        ...

    def wake_copy(self) -> None:
        """The copy is about to run on: threads and bells of its own."""
        ...
