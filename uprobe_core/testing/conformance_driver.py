"""What the conformance harness needs from a backend and from an arch plugin.

The harness opens a tiny program through the ordinary backend contract and then
runs it one instruction at a time.  The contract has no such thing, so a
backend that wants to be tested this way has one more method::

    def conformance_driver(self, machine: Machine) -> Driver

and an arch plugin has a method ``encodings()`` that returns an :class:`Encodings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from uprobe_core.backend import Process, Task

__all__ = ("Driver", "Encodings", "Ending")


@dataclass(frozen=True, slots=True)
class Ending:
    """The first thing that happened to the program and would have reached it.

    :param what: "breakpoint", "undefined", "maperr", "accerr", "adrerr", "align" (faults,
        as the values of FaultKind), "syscall", or "endless" when nothing comes of it
    :param code: si_code of the signal; 0 for a system call
    :param address: si_addr of the signal; 0 for a system call
    :param pc: where the task is: at the faulting instruction, behind a system call
    """

    what: str
    code: int
    address: int
    pc: int


class Driver(Protocol):
    """The only task of a machine that was opened but not run."""

    @property
    def task(self) -> Task:
        """The task."""
        ...

    @property
    def process(self) -> Process:
        """Its process."""
        ...

    def refuses(self, word: int) -> bool:
        """Whether *word* cannot be given to this emulator at all, because of a defect of its own."""
        ...

    def load(self, state: bytes) -> None:
        """Write every register of the task (see :mod:`.conformance_state`), clear its exclusive monitor."""
        ...

    def save(self) -> bytes:
        """The task's registers in the same layout."""
        ...

    def run(self) -> Ending:
        """Run the task, probes and all, until something happens to the program; do not act on that."""
        ...


class Encodings(Protocol):
    """What the harness has to know of an instruction set; an arch plugin supplies it."""

    stop: int
    """A trap instruction that is nobody's breakpoint: what surrounds every word under test."""

    def words(self, seed: int) -> Iterator[tuple[int, str]]:
        """Endless (word, class): every class systematically first, then at random; the same for a seed."""
        ...

    def class_of(self, word: int) -> str:
        """The class of one word, for the summary."""
        ...

    def address_registers(self, word: int) -> tuple[int, ...]:
        """Registers (31: SP) that should hold addresses for the instruction to be interesting."""
        ...

    def index_registers(self, word: int) -> tuple[int, ...]:
        """Registers that are added to such addresses."""
        ...

    def target_register(self, word: int) -> int | None:
        """The register that an indirect branch goes to."""
        ...

    def direct_target(self, word: int, address: int) -> int | None:
        """Where a direct branch at *address* goes when taken, None if it is no direct branch."""
        ...

    def volatile_register(self, word: int) -> int | None:
        """A general register whose result differs from run to run (a clock, a random number)."""
        ...
