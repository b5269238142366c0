"""Time as the guest sees it: driven by executed work, or the host's."""

from __future__ import annotations

import time

__all__ = ("EPOCH", "HIT_NS", "SYSCALL_NS", "Clock")

EPOCH = 1_735_689_600 * 10**9
"""2025-01-01 00:00:00 UTC in nanoseconds: what the virtual wall clock shows at the start."""

UPTIME = 3600 * 10**9
"""Nanoseconds that the virtual system has been up when the program starts."""

SYSCALL_NS = 1000
HIT_NS = 1000
"""What a system call and a hit take; a microsecond keeps the lines of a trace apart."""


class Clock:
    """Monotonic and wall-clock time in nanoseconds.

    :param kind: "virtual": advanced by :meth:`advance` only; "host": the host's clocks
    """

    def __init__(self, kind: str = "virtual") -> None:
        self.virtual = kind != "host"
        self._elapsed = 0
        self._idle = 0

    def advance(self, nanoseconds: int) -> None:
        """Let *nanoseconds* of virtual time pass (work done, or a sleep); nothing on the host's clock."""
        self._elapsed += nanoseconds

    def sleep(self, nanoseconds: int) -> None:
        """Let *nanoseconds* pass in which this process does nothing."""
        self._elapsed += nanoseconds
        self._idle += nanoseconds

    def catch_up(self, monotonic: int) -> None:
        """Somebody we heard from was at *monotonic*: it is at least that late (virtual clock only)."""
        if self.virtual and monotonic > UPTIME + self._elapsed:
            self.sleep(monotonic - UPTIME - self._elapsed)

    def monotonic(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return UPTIME + self._elapsed if self.virtual else time.monotonic_ns()

    def realtime(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        return EPOCH + self._elapsed if self.virtual else time.time_ns()

    def cpu_time(self) -> int:
        """Processor time used by this process in nanoseconds."""
        return self._elapsed - self._idle if self.virtual else time.process_time_ns()
