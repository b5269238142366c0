"""Time as the guest sees it: driven by what it executes, or the host's.

An instruction takes a nanosecond, a system call a microsecond, a sleep as long as it
was asked for; what probes do takes no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

__all__ = ("EPOCH", "KTIME_MAX", "SYSCALL_NS", "UPTIME", "Clock", "saturated")

EPOCH = 1_735_689_600 * 10**9
"""2025-01-01 00:00:00 UTC in nanoseconds: what the virtual wall clock shows at the start."""

UPTIME = 3600 * 10**9
"""Nanoseconds that the virtual system has been up when the program starts."""

SYSCALL_NS = 1000
"""What a system call takes."""

KTIME_MAX = (1 << 63) - 1
"""What a time of a program that lies further away means (include/linux/ktime.h)."""


def saturated(nanoseconds: int) -> int:
    """*nanoseconds*, at most KTIME_MAX."""
    return min(nanoseconds, KTIME_MAX)


def _none() -> int:
    return 0


class Passed(Protocol):
    """Where it stands how much time has passed beside that of instructions; a CPU may add to it."""

    passed: int
    """Nanoseconds."""


class _Own:
    """For a CPU that adds nothing."""

    passed = 0


class Clock:
    """Monotonic and wall-clock time in nanoseconds.

    :param kind: "virtual", or "host": the host's clocks
    :param executed: how many instructions this host process has executed by now, its parents' included
    :param kept: where the time beside that of instructions is kept
    """

    def __init__(
        self, kind: str = "virtual", executed: Callable[[], int] = _none, kept: Passed | None = None
    ) -> None:
        self.virtual = kind != "host"
        self._executed = executed
        self._kept = kept or _Own()
        self.idle = 0
        """Nanoseconds in which this process did nothing."""

    def advance(self, nanoseconds: int) -> None:
        """Let *nanoseconds* of virtual time pass in the kernel; nothing on the host's clock."""
        self._kept.passed += nanoseconds

    def sleep(self, nanoseconds: int) -> None:
        """Let *nanoseconds* pass in which this process does nothing."""
        self._kept.passed += nanoseconds
        self.idle += nanoseconds

    def catch_up(self, monotonic: int) -> None:
        """Somebody we heard from was at *monotonic*: it is at least that late (virtual clock only)."""
        if self.virtual:
            self.sleep(max(monotonic - self.monotonic(), 0))

    @property
    def base(self) -> int:
        """Virtual CLOCK_MONOTONIC less executed instructions: it stands still while guest code runs."""
        return UPTIME + self._kept.passed

    def monotonic(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return self.base + self._executed() if self.virtual else time.monotonic_ns()

    def realtime(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        return EPOCH + self._kept.passed + self._executed() if self.virtual else time.time_ns()

    def cpu_time(self) -> int:
        """Processor time used by this process in nanoseconds."""
        return self._kept.passed + self._executed() - self.idle if self.virtual else time.process_time_ns()
