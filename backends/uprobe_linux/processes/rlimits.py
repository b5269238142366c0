"""Resource limits as a process starts with them (include/asm-generic/resource.h), and what follows from
them.
"""

from __future__ import annotations

from array import array

__all__ = (
    "COUNT",
    "INFINITY",
    "NAMES",
    "RLIMIT_AS",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_NOFILE",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
    "new_limits",
)

INFINITY = (1 << 64) - 1
RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_SIGPENDING = 1, 2, 3, 7, 9, 11
COUNT = 16
_DEFAULTS = {
    RLIMIT_STACK: (8 << 20, INFINITY),
    4: (0, INFINITY),
    6: (31_000, 31_000),
    RLIMIT_NOFILE: (1024, 4096),
    8: (8 << 20, 8 << 20),
    11: (31_000, 31_000),
    12: (819_200, 819_200),
    13: (0, 0),
    14: (0, 0),
}
"""(soft, hard) where there is a limit: INIT_RLIMITS; signals and processes as on a machine with 8 GiB."""
NAMES = (
    ("Max cpu time", 0, "seconds"),
    ("Max file size", 1, "bytes"),
    ("Max data size", 2, "bytes"),
    ("Max stack size", 3, "bytes"),
    ("Max core file size", 4, "bytes"),
    ("Max resident set", 5, "bytes"),
    ("Max processes", 6, "processes"),
    ("Max open files", 7, "files"),
    ("Max locked memory", 8, "bytes"),
    ("Max address space", 9, "bytes"),
    ("Max file locks", 10, "locks"),
    ("Max pending signals", 11, "signals"),
    ("Max msgqueue size", 12, "bytes"),
    ("Max nice priority", 13, ""),
    ("Max realtime priority", 14, ""),
    ("Max realtime timeout", 15, "us"),
)
"""Rows of /proc/PID/limits (fs/proc/base.c, lnames)."""


def new_limits() -> array[int]:
    """The limits of a process: soft and hard of each by number, 64-bit words."""
    defaults = (_DEFAULTS.get(number, (INFINITY, INFINITY)) for number in range(COUNT))
    return array("Q", (word for pair in defaults for word in pair))
