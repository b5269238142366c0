"""A system call that can be made, and what a task waits for that has made one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ("Syscall", "Wait")


@dataclass(frozen=True, slots=True)
class Syscall:
    """One registered system call.

    :param handler: takes the task and *arguments* unsigned 64-bit values
    :param arguments: how many argument registers it takes, 0-6
    """

    name: str
    handler: Callable[..., int]
    arguments: int


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
