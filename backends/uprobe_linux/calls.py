"""A system call that can be made, and what a task waits for that has made one."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.types import MemoryFault

__all__ = ("REFUSALS", "Syscall", "Wait", "refusal")

REFUSALS = (OSError, MemoryFault, OverflowError, MemoryError)
"""What a system call may raise: its guest gets an error number."""


def refusal(error: BaseException) -> int:
    """The negative result of a system call that raised *error*, one of REFUSALS."""
    if isinstance(error, OSError):
        return -(error.errno or errno.EIO)
    return -(errno.EFAULT if isinstance(error, MemoryFault) else errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Syscall:
    """One registered system call.

    :param handler: takes the task and *arguments* unsigned 64-bit values
    :param arguments: how many argument registers it takes, 0-6
    :param ordered: whether other processes can tell when it is made, so that it needs a turn
    :param checks: what its arguments may be, before the handler sees them
    :param touches: the argument whose descriptor others may wait for, EVERY_ONE: any; None: none
    """

    name: str
    handler: Callable[..., int]
    arguments: int
    ordered: bool = True
    touches: int | None = None
    checks: tuple[Any, ...] = ()


@dataclass(slots=True)
class Wait:
    """What a blocked task waits for; any one of them wakes it.

    :param fds: (host file descriptor, poll events)
    :param deadline: in nanoseconds of the machine's clock, None: no time-out
    :param key: anything hashable that another task may wake (futex key, "child" ...)
    :param interruptible: whether a signal ends the wait
    :param woken: set by whoever woke the task through *key*
    :param timed_out: set by the scheduler when *deadline* has passed
    :param data: the handler's own, kept from the first call to the next
    :param interrupted: what the call answers when a signal handler ends the wait. None: it is
        restarted under SA_RESTART, else -EINTR; a number: that result (bytes already written, or
        -EINTR for calls that are never restarted, signal(7)); a function: called for that number
    """

    fds: tuple[tuple[int, int], ...] = ()
    deadline: int | None = None
    key: Any = None
    interruptible: bool = True
    woken: bool = False
    timed_out: bool = False
    data: Any = None
    interrupted: int | Callable[[], int] | None = None

    def when_interrupted(self) -> int | None:
        """What *interrupted* says, as a result of the call; None: restarted or -EINTR."""
        if not callable(self.interrupted):
            return self.interrupted
        try:
            return self.interrupted()
        except REFUSALS as error:
            return refusal(error)
