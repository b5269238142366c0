"""The inner wall and the forms in C: which calls a CPU may make by itself, and what it may use for that.

One row for each call; a new form in C (``uprobe_unicorn/native/calls``) gets its row in FORMS below.  The
CPU is given the rows when the machine is set up, looks at a call's row before its form, and lends the
form what the call's record in doors.py says that it reaches, and nothing else (lent_to): descriptors,
ways that start at folders which need no further judgement (Mount.judged), places that may be changed.
What the record refuses gets to no form (masks_of).  What does not fit is made by the handler in
Python, as a call without a row is.
"""

from __future__ import annotations

import enum
import functools
import operator
from dataclasses import dataclass
from typing import Final

from uprobe_linux.fs import oflags
from uprobe_linux.fs.set_ids import PLAIN_BITS
from uprobe_linux.syscalls.doors import DOORS, Reach

__all__ = ("FORMS", "Form", "Lent", "Mask", "lent_to", "masks_of")

MOST_MASKS = 2
"""That one row has room for (own_calls.h)."""


class Lent(enum.IntFlag):
    """What a form may use, and when it may not be used: enum call_lent of own_calls.h."""

    MADE = 1
    """There may be such a form."""
    FILES = 2
    """Descriptors that stand for the host's files and streams; what else they are is Python's."""
    PATHS = 4
    """Paths, from folders below which Python has nothing to judge."""
    CHANGES = 8
    """Entries and files of mounts that may be written to."""
    TURN = 16
    """Other processes can tell: only while it is our turn (ordering.py)."""
    COUNTED = 32
    """The host holds more for it: never where --max-memory counts that."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Bits that an argument of a call in C may have; with others the call is made in Python.

    :param argument: its number, from 0
    :param when: another argument, and bits of which it has one; None: always
    """

    argument: int
    name: str
    bits: int
    when: tuple[int, int] | None = None

    def row(self) -> tuple[int, int, int, int]:
        """(argument, bits, other argument, its bits) as the CPU wants it."""
        return (self.argument, self.bits, *(self.when or (0, 0)))


@dataclass(frozen=True, slots=True)
class Form:
    """What a call that is made in C may do.

    :param lent: what of the host it reaches
    :param masks: at most two
    """

    lent: Lent = Lent.MADE
    masks: tuple[Mask, ...] = ()


_REACHED: Final = {
    Reach.FILES: Lent.FILES,
    Reach.PATHS: Lent.PATHS,
    Reach.CHANGES: Lent.CHANGES,
    Reach.HOLDS: Lent.COUNTED,
}


def lent_to(name: str) -> Lent:
    """What the door of call *name* lends to a form of it; raises KeyError for a call that has no door."""
    reach = DOORS[name].reach
    return functools.reduce(operator.or_, (_REACHED[each] for each in Reach if each & reach), Lent.MADE)


_PLAIN = """
getpid gettid clock_gettime gettimeofday rt_sigaction rt_sigprocmask futex sched_yield
set_robust_list set_tid_address prlimit64 rseq
read readv pread64 lseek fstat fstatfs getdents64 close dup fcntl epoll_pwait ppoll
write writev pwrite64 mmap munmap newfstatat statx statfs faccessat readlinkat
unlinkat symlinkat linkat renameat renameat2
"""
"""Those whose arguments need no look beyond that of their doors."""
_MASKS: Final = {
    **dict.fromkeys(_PLAIN.split(), ()),
    "mkdirat": (Mask(2, "mode", PLAIN_BITS),),
    "openat": (Mask(3, "mode", PLAIN_BITS, when=(2, oflags.G_CREAT)),),
}
FORMS: Final[dict[str, Form]] = {name: Form(lent_to(name), masks) for name, masks in _MASKS.items()}
"""By name of the call."""


def masks_of(name: str) -> tuple[Mask, ...]:
    """What is looked at before the form of call *name* is: its own masks, and those that its door means.

    An argument with a bit that no value has which the door lets through is Python's to refuse.  Raises
    KeyError for a call that has no door, ValueError for a door that is closed or whose checks are no masks.
    """
    door, masks = DOORS[name], [*FORMS[name].masks]
    for check in door.checks:
        bits = check.bits if check.one_of is None else functools.reduce(operator.or_, check.one_of)
        if bits is None or check.when is not None:
            raise ValueError(f"{name}: its {check.name} cannot be checked in C")
        masks.append(Mask(check.argument, check.name, bits))
    if door.kind == "refused" or len(masks) > MOST_MASKS:
        raise ValueError(f"{name} cannot be made in C")
    return tuple(masks)
