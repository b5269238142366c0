"""Calls to the host's kernel that Python does not offer; Linux on x86-64 and arm64."""

from __future__ import annotations

import ctypes
import os
from typing import Any

__all__ = (
    "ARCHITECTURE",
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWUSER",
    "CLONE_NEWUTS",
    "capset",
    "mount",
    "prctl",
    "raw",
    "unshare",
)

ARCHITECTURE = os.uname().machine
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x0002_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x4000_0000,
)
"""include/uapi/linux/sched.h."""
_CAPABILITY_VERSION_3 = 0x2008_0522
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def raw(number: int, *arguments: Any) -> int:
    """System call *number*; ints become longs, bytes and ctypes objects addresses.  Raises OSError."""
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed))


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, flags: int) -> None:
    """mount(2) without a file system: bindings and changes of propagation."""
    _checked(
        _libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None),
    )


def prctl(option: int, *arguments: Any) -> int:
    """prctl(2); arguments that are not given are 0."""
    passed = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    passed += [ctypes.c_ulong(0)] * (4 - len(passed))
    return _checked(_libc.prctl(ctypes.c_int(option), *passed))


def capset(permitted: int) -> None:
    """Have the capabilities of *permitted* (bit N is capability N) and no others, none inheritable."""
    low, high = permitted & 0xFFFF_FFFF, permitted >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _checked(_libc.capset(header, data))
