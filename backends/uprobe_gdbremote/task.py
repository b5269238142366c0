"""One thread of a target; see :class:`uprobe_core.backend.Task`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_gdbremote.channel import PATIENCE
from uprobe_gdbremote.registers import PC

if TYPE_CHECKING:
    from uprobe_gdbremote.points import Point
    from uprobe_gdbremote.process import RemoteProcess
    from uprobe_gdbremote.registers import ThreadRegisters

__all__ = ("RemoteTask", "thread_numbers")

_FIRST_QUEUED = 32
"""Of signals from this number on, every one is delivered (signal(7), "Queueing and delivery semantics")."""


def thread_numbers(thread: bytes) -> tuple[int, int]:
    """Process and thread number of a thread id, ``pPID.TID`` or ``TID``; 0 for a process that is not said."""
    if thread[:1] == b"p":
        process, _, task = thread[1:].partition(b".")
        return int(process, 16), int(task or process, 16)
    return 0, int(thread, 16)


class RemoteTask:
    """A thread.

    :ivar thread: its id as the stub writes it
    :ivar stepping: whether the core wants to know when an instruction is done
    :ivar lifted: the point whose breakpoint is out while the task does the instruction there
    :ivar finishing: whether it does the instruction of a slot before it gets a signal
    :ivar owed: the signal that it gets if the instruction in place does not fault by itself
    :ivar held: signals (Linux's numbers) that the program gets when the instruction under way is done
    :ivar held_since: when the first of them came before anything else did, in seconds; 0.0: no longer
    """

    def __init__(
        self,
        process: RemoteProcess,
        thread: bytes,
        tid: int,
        registers: ThreadRegisters,
        clock: Callable[[], int],
    ) -> None:
        self.process = process
        self.thread, self.tid = thread, tid
        self.registers = registers
        self._clock = clock
        self.stepping = False
        self.lifted: Point | None = None
        self.finishing = False
        self.owed = 0
        self.held: deque[int] = deque()
        self.held_since = 0.0
        self.get_reg = registers.get
        self.set_reg = registers.set
        self.get_vec = registers.vector
        self.set_vec = registers.set_vector
        self.name: Callable[[], str] = lambda: ""

    @property
    def comm(self) -> str:
        """See :class:`uprobe_core.backend.Task`."""
        return self.name()

    @property
    def pc(self) -> int:
        """The program counter."""
        return self.registers.get(PC)

    @pc.setter
    def pc(self, address: int) -> None:
        self.registers.set(PC, address)

    def begin_again(self) -> None:
        """Another program was executed: nothing is under way."""
        self.stepping = self.finishing = False
        self.lifted, self.owed = None, 0

    def hold(self, signal: int) -> None:
        """Have *signal* wait until an instruction is done; raises BackendError if that is never."""
        if signal >= _FIRST_QUEUED or signal not in self.held:
            self.held.append(signal)
        now = time.monotonic()
        self.held_since = self.held_since or now
        if now - self.held_since > PATIENCE:
            raise BackendError(
                f"signal {signal} comes again before thread {self.tid} has done one instruction,"
                f" for {PATIENCE:g} s",
                hint="a timer of the program's is faster than the target can be spoken to: probe less of what"
                " runs meanwhile, or use backend unicorn, where time stands still at a hit",
                slug="target-signals",
            )

    def single_step(self, on: bool) -> None:
        """See :class:`uprobe_core.backend.Task`."""
        self.stepping = on

    def work(self) -> int:
        """Not counted."""
        return 0

    def clock(self) -> int:
        """Nanoseconds of the host's clock since the run began."""
        return self._clock()

    def cpu(self) -> int:
        """A stub does not tell."""
        return 0
