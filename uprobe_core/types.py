"""The vocabulary: small value types that every layer shares.

Addresses are guest-virtual unless a name says *offset* (into a file, bytes)
or *phys*.  Ranges are half open: ``start`` inclusive, ``end`` exclusive.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

__all__ = (
    "Access",
    "Analysis",
    "Fault",
    "FaultKind",
    "FileId",
    "GoneError",
    "GuestMemory",
    "HandlerVote",
    "Mapping",
    "MemoryFault",
    "Mode",
    "Policy",
    "RegisterFile",
    "Returns",
    "Simulator",
    "TrapResult",
    "UtaskState",
    "Verdict",
)


class Verdict(enum.Enum):
    """What may be done with the instruction at a probed place."""

    REJECT = "reject"
    SIMULATE = "simulate"
    """The kernel's INSN_GOOD_NO_SLOT: its effect is computed."""
    STEP = "step"
    """The kernel's INSN_GOOD: it runs out of line in a slot."""


class UtaskState(enum.Enum):
    """Where a task is in the life of a hit (the kernel's enum uprobe_task_state)."""

    RUNNING = "running"
    SSTEP = "sstep"
    SSTEP_ACK = "sstep-ack"
    SSTEP_TRAPPED = "sstep-trapped"


class TrapResult(enum.Enum):
    """The answer to a backend that reports a trap."""

    HANDLED = "handled"
    """The task goes on where its PC is."""
    SIMULATED = "simulated"
    """Handled, and what the trapped instruction does was done: it counts as executed."""
    NOT_OURS = "not-ours"
    """The program gets the SIGTRAP that it would have got without us."""


class HandlerVote(enum.IntFlag):
    """What a consumer's handler may return besides None (the kernel's UPROBE_HANDLER_*)."""

    KEEP = 0
    REMOVE = 1
    """Votes for taking the breakpoint out of this process; needs every consumer's vote."""
    IGNORE = 2
    """No return handler for this call."""


class Mode(enum.Enum):
    """How a probe is executed (docs/design.md)."""

    AUTO = "auto"
    TRAP = "trap"
    """By a breakpoint; its instruction is stepped in a slot, or simulated."""
    JUMP = "jump"
    """By a branch that the native engine patches in."""
    INLINE = "inline"
    """By what the backend has itself, and by no breakpoint: the instruction runs where it is."""


class Returns(enum.Enum):
    """How a return is observed."""

    AUTO = "auto"
    WATCH = "watch"
    """The backend says when the return address is executed."""
    HIJACK = "hijack"
    """The return address is the trampoline's, a breakpoint, as under a kernel."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be probed: ``kernel`` (of a version) or ``anywhere``.

    :param name: "kernel" or "anywhere"
    :param version: the kernel release that "kernel" means, such as "6.12"
    """

    name: str = "anywhere"
    version: str = "6.12"

    @property
    def is_kernel(self) -> bool:
        """Whether a kernel's refusals apply."""
        return self.name == "kernel"

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor number of the version; (0, 0) of one that has none."""
        parts = self.version.split("-", maxsplit=1)[0].split(".")
        major, minor = (*parts, "")[:2]
        return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)

    def __str__(self) -> str:
        return self.name if not self.is_kernel else f"kernel:{self.version}"


class Access(enum.Enum):
    """What a memory access wanted."""

    READ = "read"
    WRITE = "write"
    FETCH = "fetch"


class FaultKind(enum.Enum):
    """Why an instruction did not complete, in the terms of a Linux siginfo."""

    MAPERR = "maperr"
    """SIGSEGV, SEGV_MAPERR: nothing is mapped there."""
    ACCERR = "accerr"
    """SIGSEGV, SEGV_ACCERR: mapped, but not for this access."""
    ADRERR = "adrerr"
    """SIGBUS, BUS_ADRERR: mapped, but beyond the end of the file."""
    ALIGN = "align"
    """SIGBUS, BUS_ADRALN: the access or the PC is not aligned."""
    UNDEFINED = "undefined"
    """SIGILL, ILL_ILLOPC."""
    BREAKPOINT = "breakpoint"
    """SIGTRAP, TRAP_BRKPT."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An instruction that did not complete.

    :param pc: address of the instruction, inclusive
    :param address: the faulting data address; for FETCH and UNDEFINED the PC
    :param access: None for UNDEFINED and BREAKPOINT
    """

    kind: FaultKind
    pc: int
    address: int
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class FileId:
    """Identity of a file, as the kernel keys uprobes: by inode, not by name."""

    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a process.

    :param start: first address, inclusive, page aligned
    :param end: last address, exclusive, page aligned
    :param offset: position in the file of *start*, in bytes; 0 when anonymous
    :param file: identity of the mapped file, None when anonymous
    :param path: as the guest names the file, or a label such as "[stack]"
    """

    start: int
    end: int
    readable: bool
    writable: bool
    executable: bool
    shared: bool = False
    offset: int = 0
    file: FileId | None = None
    path: str = ""

    def address_of(self, offset: int) -> int | None:
        """The address that shows file position *offset*, or None if it is not mapped here."""
        address = self.start + offset - self.offset
        return address if self.start <= address < self.end else None


class RegisterFile(Protocol):
    """The registers of one task, by the numbers of :class:`~uprobe_core.architecture.Registers`.

    Values are unsigned.  This is all that simulation and fetch programs see of
    a task, so a backend, a test double and a saved context all fit.
    """

    def get_reg(self, index: int) -> int:
        """Register *index*."""
        ...

    def set_reg(self, index: int, value: int) -> None:
        """Write register *index*; *value* is taken modulo 2 to the register's width."""
        ...

    def get_vec(self, index: int) -> int:
        """Vector register *index* as an unsigned number."""
        ...

    def set_vec(self, index: int, value: int) -> None:
        """Write vector register *index*, unsigned."""
        ...


class GuestMemory(Protocol):
    """The memory of one process as instructions see it."""

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes from *address* (inclusive); raises MemoryFault."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Store *data* at *address*; raises MemoryFault; what was before the fault may be stored."""
        ...


class MemoryFault(Exception):  # noqa: N818  # a guest event, not an error of ours
    """A guest access that the guest's own page table refuses; not an error of ours.

    :param address: first byte that could not be accessed
    """

    def __init__(self, address: int, access: Access, kind: FaultKind = FaultKind.MAPERR) -> None:
        super().__init__(f"{access.value} at {address:#x}: {kind.value}")
        self.address = address
        self.access = access
        self.kind = kind


class GoneError(Exception):
    """A value that is nowhere: the program does not keep it there."""


Simulator = Callable[["RegisterFile", "GuestMemory", int], None]
"""``simulate(regs, memory, address)``: do what the instruction at *address* does, PC included.

Raises MemoryFault with nothing changed when the instruction itself would fault.
"""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The verdict for one instruction word, with everything that a hit needs.

    :param word: the encoding as a number, little endian
    :param insn_class: the decode table's name for the row that matched, such as "B.cond"
    :param reason: in words, why this verdict
    :param errno_name: what registration answers on REJECT, such as "EINVAL" or "ENOTSUPP"
    :param simulate: the simulator to call when the verdict is SIMULATE, else None
    :param special: how a hit must be completed when neither stepping nor simulation
        does it: "" (none), "svc" (the system call is made from its own address),
        "trap" (the exception is delivered from its own address),
        "in-place" (it runs at its own address with the breakpoint lifted)
    :param defect: a known defect of the kernel that *policy=kernel* reproduces, or ""
    :param source: manual section or kernel file of the row
    :param size: bytes of the instruction, 0: as many as a slot has
    """

    word: int
    verdict: Verdict
    insn_class: str
    reason: str
    errno_name: str = ""
    simulate: Simulator | None = field(default=None, compare=False)
    special: str = ""
    defect: str = ""
    source: str = ""
    size: int = 0


if not TYPE_CHECKING:  # a name that is missing is still an error to a type checker

    def __getattr__(name: str) -> object:
        """``Register``, arm64's SP, PC and PSTATE, was here while that was the only architecture.

        It is its plugin's now.  What imports it from here goes on working; what is written
        anew asks for ``hit.reg("sp")``, or the record that ``architecture()`` gives.
        """
        if name == "Register":
            from importlib import import_module
            from importlib.metadata import entry_points

            (plugin,) = entry_points(group="uprobe.archs", name="arm64")
            return import_module(plugin.module).Register
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
