"""Signal numbers, their default actions and the codes of a siginfo, as arm64 Linux has them.

Facts: include/uapi/asm-generic/signal.h and siginfo.h, include/linux/signal.h
(the sets of default actions), signal(7).
"""

from __future__ import annotations

import enum

__all__ = (
    "BUS_ADRALN",
    "BUS_ADRERR",
    "CLD_CONTINUED",
    "CLD_DUMPED",
    "CLD_EXITED",
    "CLD_KILLED",
    "CLD_STOPPED",
    "FIRST_REALTIME",
    "ILL_ILLOPC",
    "LAST_SIGNAL",
    "SA_NOCLDSTOP",
    "SA_NOCLDWAIT",
    "SA_NODEFER",
    "SA_ONSTACK",
    "SA_RESETHAND",
    "SA_RESTART",
    "SA_RESTORER",
    "SA_SIGINFO",
    "SEGV_ACCERR",
    "SEGV_MAPERR",
    "SI_KERNEL",
    "SI_QUEUE",
    "SI_TIMER",
    "SI_TKILL",
    "SI_USER",
    "SYNCHRONOUS",
    "TRAP_BRKPT",
    "UNBLOCKABLE",
    "Action",
    "Sig",
    "bit",
    "default_action",
)


class Sig(enum.IntEnum):
    """The standard signals, 1-31 (asm-generic numbers)."""

    HUP = 1
    INT = 2
    QUIT = 3
    ILL = 4
    TRAP = 5
    ABRT = 6
    BUS = 7
    FPE = 8
    KILL = 9
    USR1 = 10
    SEGV = 11
    USR2 = 12
    PIPE = 13
    ALRM = 14
    TERM = 15
    STKFLT = 16
    CHLD = 17
    CONT = 18
    STOP = 19
    TSTP = 20
    TTIN = 21
    TTOU = 22
    URG = 23
    XCPU = 24
    XFSZ = 25
    VTALRM = 26
    PROF = 27
    WINCH = 28
    IO = 29
    PWR = 30
    SYS = 31


FIRST_REALTIME = 32
LAST_SIGNAL = 64

SA_NOCLDSTOP = 0x1
SA_NOCLDWAIT = 0x2
SA_SIGINFO = 0x4
SA_RESTORER = 0x0400_0000
SA_ONSTACK = 0x0800_0000
SA_RESTART = 0x1000_0000
SA_NODEFER = 0x4000_0000
SA_RESETHAND = 0x8000_0000

SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL = 0, 0x80, -1, -2, -6
ILL_ILLOPC = 1
TRAP_BRKPT = 1
SEGV_MAPERR, SEGV_ACCERR = 1, 2
BUS_ADRALN, BUS_ADRERR = 1, 2
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED = 1, 2, 3, 5, 6


def bit(signo: int) -> int:
    """The bit of signal *signo* (1-64) in a 64-bit signal set."""
    return 1 << (signo - 1)


def _set(*signals: Sig) -> int:
    return sum(bit(signo) for signo in signals)


UNBLOCKABLE = _set(Sig.KILL, Sig.STOP)
SYNCHRONOUS = _set(Sig.SEGV, Sig.BUS, Sig.ILL, Sig.TRAP, Sig.FPE, Sig.SYS)
"""Taken before all others (SYNCHRONOUS_MASK, kernel/signal.c), so that PC still names the instruction."""

_CORE = SYNCHRONOUS | _set(Sig.QUIT, Sig.ABRT, Sig.XCPU, Sig.XFSZ)
_STOP = _set(Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU)
_IGNORE = _set(Sig.CONT, Sig.CHLD, Sig.WINCH, Sig.URG)


class Action(enum.Enum):
    """What happens when a signal is taken."""

    TERMINATE = "terminate"
    CORE = "core"
    """Terminate, and the wait status says that a core was (or would be) dumped."""
    IGNORE = "ignore"
    STOP = "stop"


def default_action(signo: int) -> Action:
    """What SIG_DFL does with *signo* (include/linux/signal.h); CONT's continuing happens when it is sent."""
    mask = bit(signo)
    if mask & _IGNORE:
        return Action.IGNORE
    if mask & _STOP:
        return Action.STOP
    return Action.CORE if mask & _CORE else Action.TERMINATE
