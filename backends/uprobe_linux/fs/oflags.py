"""Open flags between the guest's numbering and the host's.

Most are asm-generic on both sides; arm64 moves four of them
(arch/arm64/include/uapi/asm/fcntl.h), x86 has the generic ones.
"""

from __future__ import annotations

import os
import sys

__all__ = (
    "G_ACCMODE",
    "G_APPEND",
    "G_ASYNC",
    "G_CLOEXEC",
    "G_CREAT",
    "G_DIRECT",
    "G_DIRECTORY",
    "G_DSYNC",
    "G_EXCL",
    "G_LARGEFILE",
    "G_NOATIME",
    "G_NOFOLLOW",
    "G_NONBLOCK",
    "G_PATH",
    "G_RDONLY",
    "G_RDWR",
    "G_SYNC",
    "G_TMPFILE",
    "G_TRUNC",
    "G_WRONLY",
    "KNOWN",
    "to_guest",
    "to_host",
)

G_ACCMODE = 0o3
G_RDONLY, G_WRONLY, G_RDWR = 0, 1, 2
G_CREAT = 0o100
G_EXCL = 0o200
G_NOCTTY = 0o400
G_TRUNC = 0o1000
G_APPEND = 0o2000
G_NONBLOCK = 0o4000
G_DSYNC = 0o10000
G_ASYNC = 0o20000
G_DIRECTORY = 0o40000
G_NOFOLLOW = 0o100000
G_DIRECT = 0o200000
G_LARGEFILE = 0o400000
G_NOATIME = 0o1000000
G_CLOEXEC = 0o2000000
G_SYNC = 0o4010000
G_PATH = 0o10000000
G_TMPFILE = 0o20000000 | G_DIRECTORY

_HOST_DIRECT = getattr(os, "O_DIRECT", 0)
_PAIRS = (
    (G_CREAT, os.O_CREAT),
    (G_EXCL, os.O_EXCL),
    (G_NOCTTY, os.O_NOCTTY),
    (G_TRUNC, os.O_TRUNC),
    (G_APPEND, os.O_APPEND),
    (G_NONBLOCK, os.O_NONBLOCK),
    (G_DSYNC, os.O_DSYNC),
    (G_ASYNC, os.O_ASYNC),
    (G_DIRECTORY, os.O_DIRECTORY),
    (G_NOFOLLOW, os.O_NOFOLLOW),
    (G_DIRECT, _HOST_DIRECT),
    (G_NOATIME, os.O_NOATIME),
    (G_CLOEXEC, os.O_CLOEXEC),
    (0o4000000, 0o4000000),
    (G_PATH, os.O_PATH),
    (0o20000000, 0o20000000),
)
KNOWN = G_ACCMODE | G_LARGEFILE
for _guest, _host in _PAIRS:
    KNOWN |= _guest


def to_host(flags: int) -> int:
    """Host flags for the guest's *flags*; unknown bits are dropped, as open(2) does
    (openat2 refuses them).
    """
    result = flags & G_ACCMODE
    for guest, host in _PAIRS:
        if flags & guest:
            result |= host
    return result


def to_guest(flags: int) -> int:
    """Guest flags for the host's *flags* as F_GETFL gives them, O_LARGEFILE left out."""
    result = flags & G_ACCMODE
    for guest, host in _PAIRS:
        if flags & host:
            result |= guest
    return result


assert sys.platform == "linux", "uprobe_linux passes system calls to a Linux host"
