"""A program and its surroundings, as a backend is told of them, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from uprobe_core.frame import Frame
from uprobe_core.option import option
from uprobe_core.value_types import COUNT, SECONDS, SIZE

__all__ = (
    "CRASHES",
    "ENDED_BY",
    "LIMIT_REACHED",
    "Bind",
    "CallWatcher",
    "CodeWatcher",
    "ExitStatus",
    "Limits",
    "Paths",
    "SampleWatcher",
    "Target",
)


@dataclass(frozen=True, slots=True)
class Bind:
    """A host folder or file that the guest sees at *guest*; ``--bind HOST:GUEST[:ro]``."""

    host: str
    guest: str
    read_only: bool = False

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.host}:{self.guest}{':ro' if self.read_only else ''}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a run ends.  None means no limit.

    :param seconds: host wall-clock seconds
    :param instructions: executed guest instructions, over all processes of a machine
    :param memory: bytes of guest memory of one process, and of all together with what the host holds for them
    :param processes: guest processes alive at once
    """

    seconds: float | None = option(
        None,
        SECONDS,
        "wall-clock time after which the run ends",
        "limits",
        name="timeout",
        table="limits",
        flags="--timeout SECONDS",
    )
    instructions: int | None = option(
        None,
        COUNT,
        "executed instructions after which the run ends",
        "limits",
        name="max_insns",
        table="limits",
        flags="--max-insns N",
    )
    memory: int | None = option(
        None,
        SIZE,
        "memory of each process of the program, such as 512M, and of all together with what the host holds"
        " for them: files in memory, pipes, sockets, our tables",
        "limits",
        name="max_memory",
        table="limits",
        flags="--max-memory SIZE",
    )
    processes: int | None = option(
        None,
        COUNT,
        "processes of the program alive at once",
        "limits",
        name="max_processes",
        table="limits",
        flags="--max-processes N",
    )


class Paths(Protocol):
    """Local files by the paths that the guest has them at: what *sysroot* and binds mean."""

    def host_path(self, path: str) -> str:
        """The local path that the guest's absolute *path* leads to, all links followed; raises OSError."""
        ...


class CallWatcher(Protocol):
    """What a backend tells of system calls (Capabilities.syscalls); *task* is a backend's Task."""

    def called(self, task: Any, name: str, arguments: tuple[int, ...]) -> None:
        """*task* makes a call; its registers are those of the call, and *arguments* all that it may have."""
        ...

    def answered(self, task: Any, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """The call has got its *result* (an error number negated, as a kernel gives it).

        None: it does not come back to where it was made.
        """
        ...


class SampleWatcher(Protocol):
    """What a backend tells of samples (Capabilities.samples).

    :ivar every: instructions of a process from one to the next; each process counts its own, from those on
        that the one that forked it had executed
    """

    every: int

    def sampled(self, task: Any, block: int, address: int) -> None:
        """*task* is about to execute the instruction at *address*, whose number is a multiple of *every*.

        :param block: where registers and stack are those of: no branch lies between there and *address*
        """
        ...


class CodeWatcher(Protocol):
    """What a backend tells of executed code (Capabilities.code)."""

    def executed(self, process: Any, blocks: Sequence[tuple[int, int, int]]) -> None:
        """*process* has executed *blocks*: addresses, bytes of whole instructions, and how often each.

        It is called before an address means something else and before the process has ended; what several
        calls tell adds up.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A program and its surroundings.

    :param argv: the guest's argument vector; argv[0] is the program, found like a shell does
    :param address: where the program runs already, or what is to run it, in the backend's own words;
        None: the backend runs *argv* itself
    :param pid: the process at *address* to attach to, None: the one that is there
    :param maps: local files by where a target elsewhere has them; part of *paths*
    :param paths: which local file a path of the guest's means: what *sysroot*, *binds* and *maps*
        say; None: the same
    :param env: the guest's whole environment
    :param cwd: the guest's working directory as the guest names it, None: the host's
    :param sysroot: host folder that is the guest's "/", None: the host's own tree, read-only
    :param binds: what the guest sees at other paths than the host has it (Capabilities.binds)
    :param sysroot_read_only: whether nothing in *sysroot* can be written (Capabilities.sandbox)
    :param allow_net: whether the program has the host's network (Capabilities.sandbox), else one of its own
        in which nobody else is
    :param seed: of everything random (AT_RANDOM, getrandom, scheduling)
    :param clock: "virtual" (driven by executed work) or "host"
    :param limits: where the run ends (Capabilities.limits)
    :param debug: whether the user asked for ``--debug``
    :param follow: whether probes and records follow fork and exec.  If not, the core takes the probes out of
        what it is told of, and what a backend does not tell of has none of its breakpoints
    :param on_syscall: told of each system call; None: nobody asks
    :param on_sample: told of every so many-th instruction; None: nobody asks
    :param on_code: told of code that was executed; None: nobody asks
    :param native: whether the backend runs its own hooks in native code, where it has any; None: unless
        the environment says ``UPROBE_ENGINE=py``
    :param isolated: whether this process has left the host's network, so that every socket is the run's own
    :param own_files: host files that the run itself writes, and that say what it is: never the guest's
        to change
    :param private_folder: an empty host folder for what goes away with the run, and that somebody else
        removes if the run cannot; None: the backend makes one
    :param memory_stat: a descriptor of ``memory.stat`` (cgroup v2) of a group in which the run is alone
    """

    argv: Sequence[str]
    address: str | None = None
    pid: int | None = None
    maps: Sequence[Bind] = ()
    paths: Paths | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    sysroot: str | None = None
    sysroot_read_only: bool = False
    binds: Sequence[Bind] = ()
    allow_net: bool = False
    seed: int = 0
    clock: str = "virtual"
    follow: bool = True
    limits: Limits = Limits()
    debug: bool = False
    on_syscall: CallWatcher | None = None
    on_sample: SampleWatcher | None = None
    on_code: CodeWatcher | None = None
    native: bool | None = None
    isolated: bool = False
    own_files: Sequence[str] = ()
    private_folder: str | None = None
    memory_stat: int | None = None


ENDED_BY = {"interrupt": 130, "terminated": 143, "hangup": 129, "killed": 137}
"""128 + SIGINT, SIGTERM, SIGHUP, and SIGKILL of a debugger: the status of a run that one of them ended."""
LIMIT_REACHED = 124
CRASHES = {
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    11: "SIGSEGV",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}
"""Signals whose default action dumps core (signal(7)), by their number on arm64."""


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a program ended.

    :param code: exit status 0-255; meaningless when *signal* is not 0
    :param signal: number of the signal that killed it, else 0
    :param reason: "" for an ordinary end, else which limit ended the run ("timeout", "max-insns", "memory"),
        or what did: a key of :data:`ENDED_BY`
    :param pc: where the program was when the signal killed it, None if that is not known
    :param fault_address: what it could not access, None if that is not why
    :param stack: the frames from *pc* on, innermost first; the core fills it in for a backend that calls
        ProbeHandler.on_killed
    """

    code: int = 0
    signal: int = 0
    reason: str = ""
    pc: int | None = field(default=None, compare=False)
    fault_address: int | None = field(default=None, compare=False)
    stack: tuple[Frame, ...] = field(default=(), compare=False)

    @property
    def shell_status(self) -> int:
        """The status as the command line ends with it.

        128 + signal for a killed program and for a run that SIGINT, SIGTERM or SIGHUP ended, 124 for
        one that a limit ended (as timeout(1) answers), else the program's own.
        """
        if self.reason:
            return ENDED_BY.get(self.reason, LIMIT_REACHED)
        return 128 + self.signal if self.signal else self.code
