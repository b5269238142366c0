"""What a backend can do, in one record: everything that the core relies on when it takes a set-up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from uprobe_core.target import Limits
from uprobe_core.types import Mode, Returns

__all__ = ("ALL_LIMITS", "Capabilities")

ALL_LIMITS: Final = frozenset(field.name for field in fields(Limits))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do: everything that the core relies on.

    Tests skip on these, never on a backend's name.  What a set-up asks and a
    backend lacks is refused by the core before :meth:`Backend.open`, or warned
    about where the run is still right (:mod:`uprobe_core.session.abilities`).
    """

    modes: frozenset[Mode]
    returns: frozenset[Returns]
    threads: bool = False
    """Whether threads are told of and probed.  A backend without them tells of the first task alone and
    calls no on_task; a program that starts a second one is its to refuse (BackendError out of run)."""
    processes: bool = False
    """Whether all that is forked and executed is told of and probed; else it may run on by itself."""
    invisible_traps: bool = False
    """Whether breakpoints can be kept out of the guest's data view."""
    visible_traps: bool = True
    """Whether the guest's own reads can be shown breakpoints, as a kernel shows them (policy=kernel)."""
    vectors: bool = True
    """Whether vector registers can be read and written."""
    faults: bool = True
    """Whether the fault of a step says which address was accessed, and how; else its address is 0."""
    work: bool = False
    """Whether executed instructions are counted exactly; without it events with $insns are refused."""
    architectures: frozenset[str] | None = None
    """Names of the architectures whose programs it runs (``--arch``); None: all that it is asked for."""
    targets: frozenset[str] = frozenset({"command"})
    """What a target may be: "command" (it runs argv), "address" (somewhere), "pid" (it runs)."""
    clocks: frozenset[str] = frozenset({"virtual", "host"})
    """The clocks of timestamps and program (``--clock``); "auto" is "virtual" if it is here."""
    seed: bool = True
    """Whether everything random in the run comes from the seed."""
    limits: frozenset[str] = ALL_LIMITS
    """The fields of Limits that it enforces; the core enforces none."""
    sandbox: bool = True
    """Whether the program is kept from the host's files and network, and --sysroot can be read-only."""
    confined: bool = False
    """Whether the program runs in this process and needs nothing of the host's but the files it was given, so
    that the process may give up everything else (``--sandbox``, docs/sandbox.md)."""
    binds: bool = True
    """Whether the program can be shown files of the host at other paths (``--bind``)."""
    mappings: bool = True
    """Whether all that the program maps and unmaps is told of; else only what its loader does is, and
    the user is warned of events in files that were never told of."""
    mappings_hint: str = ""
    """What the user can do to have all of it told of."""
    unreadable: bool = True
    """Whether reads of what the program itself may not read fault, as a kernel's do; else it may be read."""
    code_writes: bool = True
    """Whether on_code_written is told; else a probe in rewritten code keeps the old instruction."""
    signals: bool = True
    """Whether signals wait for a step that is under way (may_deliver_signal is asked)."""
    steps_before_calls: bool = True
    """Whether the step of a system call is reported before the call is made.  Without it the core steps none:
    a probe on one needs Mode.INLINE."""
    syscalls: bool = True
    """Whether Target.on_syscall is told of system calls; else their events (``-S``) are refused.  Where only
    some of its targets can tell, it refuses the others itself (BackendError out of open)."""
    samples: bool = False
    """Whether Target.on_sample is told of every so many-th instruction; else sampling is refused."""
    code: bool = False
    """Whether Target.on_code is told of executed code; else coverage is refused."""
    native: bool = True
    """Whether it may place sites of a native engine (Machine.native); else ``--engine c`` is refused."""
    inline_at_most: int | None = 64
    """Inline probes up to which they are cheaper than traps, for ``--mode auto``; None: always."""
