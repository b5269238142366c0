"""One timer: when it expires, and what it does then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from uprobe_linux.kernel import Process

__all__ = ("Timer",)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Timer:
    """One timer.

    :param number: ITIMER_* for an interval timer, the timer's id otherwise
    :param signo: what it sends, 0: nothing (SIGEV_NONE)
    :param tid: the thread it sends to (SIGEV_THREAD_ID), 0: the process
    :param cpu: counts processor time instead of the monotonic clock
    :param expiry: in ns of its clock, None while disarmed
    :param interval: ns between expiries, 0: once
    :param on_expiry: called with the number of expiries instead of sending a signal (timerfd)
    """

    process: Process
    number: int
    signo: int
    value: int = 0
    tid: int = 0
    cpu: bool = False
    realtime: bool = False
    posix: bool = True
    expiry: int | None = None
    interval: int = 0
    queued: bool = False
    overruns: int = 0
    last_overrun: int = 0
    on_expiry: Callable[[int], object] | None = None

    def take(self, now: int) -> int:
        """How often it has expired by *now* (ns of its clock); a periodic timer is armed again."""
        if self.expiry is None or self.expiry > now:
            return 0
        if not self.interval:
            self.expiry = None
            return 1
        times = 1 + (now - self.expiry) // self.interval
        self.expiry += times * self.interval
        return times

    def left(self, now: int) -> int:
        """Nanoseconds until it expires, at least 1 while armed; 0: disarmed."""
        return 0 if self.expiry is None else max(self.expiry - now, 1)
