"""Durability of files, and hints about how they will be read (fs/sync.c, mm/fadvise.c, mm/readahead.c)."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.syscalls.support import fail, files
from uprobe_linux.syscalls.table import s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask


@syscall("fsync")
def sys_fsync(task: LinuxTask, fd: int) -> int:
    """fsync(2)."""
    os.fsync(files(task).usable(s32(fd)).host)
    return 0


@syscall("fdatasync")
def sys_fdatasync(task: LinuxTask, fd: int) -> int:
    """fdatasync(2)."""
    os.fdatasync(files(task).usable(s32(fd)).host)
    return 0


@syscall("sync")
def sys_sync(task: LinuxTask) -> int:
    """sync(2): the host writes its pages when it likes; nothing of the guest's can be lost by that."""
    return 0


@syscall("syncfs")
def sys_syncfs(task: LinuxTask, fd: int) -> int:
    """syncfs(2)."""
    files(task).usable(s32(fd))
    return 0


@syscall("sync_file_range")
def sys_sync_file_range(task: LinuxTask, fd: int, offset: int, size: int, flags: int) -> int:
    """sync_file_range(2): a hint that costs nothing to take literally."""
    entry = files(task).usable(s32(fd))
    end = s64(offset + size & (1 << 64) - 1)
    if flags & 0xFFFF_FFFF & ~7 or s64(offset) < 0 or end < s64(offset):
        raise fail(errno.EINVAL)
    if entry.file.is_stream:
        raise fail(errno.ESPIPE)
    return 0


@syscall("fadvise64")
def sys_fadvise64(task: LinuxTask, fd: int, offset: int, size: int, advice: int) -> int:
    """posix_fadvise(2)."""
    entry = files(task).usable(s32(fd))
    if stat.S_ISFIFO(os.fstat(entry.host).st_mode):
        raise fail(errno.ESPIPE)
    if not 0 <= s32(advice) <= 5 or s64(size) < 0:
        raise fail(errno.EINVAL)
    return 0


@syscall("readahead")
def sys_readahead(task: LinuxTask, fd: int, offset: int, count: int) -> int:
    """readahead(2)."""
    entry = files(task).usable(s32(fd))
    if entry.file.is_stream or entry.file.is_dir:
        raise fail(errno.EINVAL)
    return 0
