"""gdb's numbers of signals (include/gdb/signals.def of binutils-gdb) for Linux's (signal(7))."""

from __future__ import annotations

__all__ = ("gdb_signal", "linux_signal")

_OTHERS = {7: 10, 10: 30, 12: 31, 16: 0, 17: 20, 18: 19, 19: 17, 20: 18, 23: 16, 29: 23, 30: 32, 31: 12}
_OTHERS |= {32: 77, 64: 78}
"""Where they differ: BUS, USR1, USR2, STKFLT (none), CHLD, CONT, STOP, TSTP, URG, IO, PWR, SYS, realtime."""
_BACK = {theirs: ours for ours, theirs in _OTHERS.items() if theirs}


def gdb_signal(number: int) -> int:
    """gdb's number of Linux's signal *number*; 143 (unknown) if it has none."""
    if 33 <= number < 64:
        return number + 12
    return _OTHERS.get(number, number) or 143


def linux_signal(number: int) -> int:
    """Linux's number of gdb's signal *number*."""
    if 45 <= number < 76:
        return number - 12
    return _BACK.get(number, number)
