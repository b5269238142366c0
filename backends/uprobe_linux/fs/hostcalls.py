"""Host system calls that Python's os module does not offer, made directly.

Numbers are the host's own (x86-64: arch/x86/entry/syscalls/syscall_64.tbl;
other 64-bit hosts have the guest's: include/uapi/asm-generic/unistd.h), so a host that is in
neither table gets ENOSYS and callers fall back or pass that on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Any

from uprobe_core.system_call_numbers import NUMBERS as GUEST_NUMBERS

__all__ = (
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_SYMLINK_NOFOLLOW",
    "EPOLL_EVENT",
    "RESOLVE_BENEATH",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "call",
    "getdents64",
    "have",
    "openat2",
    "statx",
)

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
"""include/uapi/linux/fcntl.h and openat2.h."""

EPOLL_EVENT = struct.Struct("<IQ" if os.uname().machine == "x86_64" else "<IxxxxQ")
"""struct epoll_event, packed on x86-64 hosts only (include/uapi/linux/eventpoll.h, EPOLL_PACKED)."""
_X86_64 = {
    "getdents64": 217,
    "epoll_ctl": 233,
    "epoll_pwait": 281,
    "openat2": 437,
    "statx": 332,
    "fallocate": 285,
    "utimensat": 280,
    "renameat2": 316,
    "linkat": 265,
    "fchownat": 260,
    "faccessat2": 439,
    "timerfd_create": 283,
    "timerfd_settime": 286,
    "timerfd_gettime": 287,
    "inotify_init1": 294,
    "inotify_add_watch": 254,
    "inotify_rm_watch": 255,
    "tee": 276,
    "vmsplice": 278,
    "sync_file_range": 277,
    "syncfs": 306,
    "statfs": 137,
    "fstatfs": 138,
    "fchmodat2": 452,
    "flock": 73,
    "connect": 42,
    "bind": 49,
    "getsockname": 51,
    "getpeername": 52,
    "sendto": 44,
    "recvfrom": 45,
    "setsockopt": 54,
    "getsockopt": 55,
    "sendmsg": 46,
    "recvmsg": 47,
    "accept4": 288,
    "ioctl": 16,
    "read": 0,
    "write": 1,
    "splice": 275,
    "copy_file_range": 326,
    "sendfile": 40,
    "epoll_create1": 291,
    "ppoll": 271,
    "fcntl": 72,
    "pwritev2": 328,
    "preadv2": 327,
}
_GENERIC = {name: GUEST_NUMBERS[name] for name in _X86_64}
NUMBERS = {"x86_64": _X86_64, "aarch64": _GENERIC, "riscv64": _GENERIC}.get(os.uname().machine, {})

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_long = ctypes.c_long
_OPENAT2 = NUMBERS.get("openat2", -1)
_OPENAT2_NR = _long(_OPENAT2)
_HOW_SIZE = _long(24)
_how = struct.Struct("=QQQ").pack


def have(name: str) -> bool:
    """Whether the number of host system call *name* is known here (the kernel may still refuse it)."""
    return name in NUMBERS


def call(name: str, *args: Any) -> int:
    """Make host system call *name*; ints are passed as longs, bytes and ctypes buffers by address.

    Raises OSError with the host's error number; interrupted calls are repeated.
    """
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    converted = [_long(a) if isinstance(a, int) else a for a in args]
    while True:
        result: int = _syscall(_long(number), *converted)
        if result >= 0:
            return result
        error = ctypes.get_errno()
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error))


def openat2(directory: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """Open *path* under the rules of *resolve* (openat2(2)); a new host descriptor, close-on-exec.

    Raises OSError: ENOSYS before Linux 5.6, ELOOP and EXDEV for what *resolve* rules out.
    """
    how = _how(flags | os.O_CLOEXEC, mode, resolve)
    while True:
        result: int = _syscall(_OPENAT2_NR, _long(directory), path, how, _HOW_SIZE)
        if result >= 0:
            return result
        error = ctypes.get_errno()
        if error not in (errno.EINTR, errno.EAGAIN):
            raise OSError(error, os.strerror(error))


def statx(directory: int, path: bytes, flags: int, mask: int) -> bytearray:
    """The 256 bytes of struct statx, whose layout is the same on every architecture."""
    buffer = bytearray(256)
    raw = (ctypes.c_char * 256).from_buffer(buffer)
    call("statx", directory, path, flags, mask, raw)
    del raw
    return buffer


def getdents64(fd: int, size: int) -> bytes:
    """At most *size* bytes of struct linux_dirent64, the same on every 64-bit architecture."""
    buffer = ctypes.create_string_buffer(size)
    count = call("getdents64", fd, buffer, size)
    return buffer.raw[:count]
