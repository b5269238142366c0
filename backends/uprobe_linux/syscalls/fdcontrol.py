"""fcntl(2), flock(2) and record locks (fs/fcntl.c, fs/locks.c)."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.scheduling.memory_meter import PIPE_BYTES
from uprobe_linux.syscalls.support import fail, files
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW = range(8)
F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG = 8, 9, 10, 11
F_SETOWN_EX, F_GETOWN_EX = 15, 16
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
F_SETLEASE, F_GETLEASE, F_NOTIFY, F_DUPFD_QUERY, F_CREATED_QUERY = 1024, 1025, 1026, 1027, 1028
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS = 1030, 1031, 1032, 1033, 1034
"""include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h."""
F_UNLCK = 2
LOCK_MAND = 32
"""Once mandatory locks for Samba; does nothing since Linux 5.5."""
_LOCKS = {F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW}
_WAITING = {F_SETLKW: F_SETLK, F_OFD_SETLKW: F_OFD_SETLK}
_FLOCK = struct.Struct("<hhxxxxqqixxxx")
RETRY_NS = 1_000_000
"""Nanoseconds between two tries for a lock that another process holds: locks have no event to wait for."""


@syscall("fcntl")
def sys_fcntl(task: LinuxTask, fd: int, command: int, argument: int) -> int:
    """fcntl(2)."""
    command = s32(command)
    entry = files(task).get(s32(fd))
    if entry.file.is_path and command not in (
        F_DUPFD,
        F_DUPFD_CLOEXEC,
        F_DUPFD_QUERY,
        F_GETFD,
        F_SETFD,
        F_GETFL,
    ):
        raise fail(errno.EBADF)
    if command in (F_DUPFD, F_DUPFD_CLOEXEC):
        return files(task).dup(s32(fd), minimum=s32(argument), cloexec=command == F_DUPFD_CLOEXEC)
    if command in _LOCKS:
        return _lock(task, entry, command, argument)
    if command == F_SETFD:
        files(task).set_cloexec(s32(fd), bool(argument & 1))
        return 0
    handler = _PLAIN.get(command)
    if handler is None:
        raise fail(errno.EINVAL)
    return handler(task, entry, argument)


def _get_fd_flags(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return int(entry.cloexec)


def _get_flags(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return oflags.G_PATH if entry.file.is_path else entry.file.flags(entry.host)


def _set_flags(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    entry.file.set_flags(entry.host, argument & 0xFFFF_FFFF)
    return 0


def _nothing(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    """Owners and signals for SIGIO: accepted, never sent."""
    return 0


def _owner_ex(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    """struct f_owner_ex: nobody."""
    task.process.memory.write(argument, bytes(8))
    return 0


def _no_lease(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return F_UNLCK


def _same_file(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return int(files(task).get(s32(argument)).file is entry.file)


def _pipe_size(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    if entry.file.is_terminal:
        raise fail(errno.EBADF)
    return hostcalls.call("fcntl", entry.host, F_GETPIPE_SZ, 0)


def _set_pipe_size(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    if entry.file.is_terminal:
        raise fail(errno.EBADF)
    if task.machine.meter is not None and s32(argument) > PIPE_BYTES:
        raise fail(errno.EPERM)  # what users get beyond /proc/sys/fs/pipe-max-size
    return hostcalls.call("fcntl", entry.host, F_SETPIPE_SZ, s32(argument))


def _seals(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return hostcalls.call("fcntl", entry.host, F_GET_SEALS, 0)


def _add_seals(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    return hostcalls.call("fcntl", entry.host, F_ADD_SEALS, argument & 0xFFFF_FFFF)


_PLAIN = {
    F_GETFD: _get_fd_flags,
    F_GETFL: _get_flags,
    F_SETFL: _set_flags,
    F_SETOWN: _nothing,
    F_GETOWN: _nothing,
    F_SETSIG: _nothing,
    F_GETSIG: _nothing,
    F_GETLEASE: _no_lease,
    F_GETOWN_EX: _owner_ex,
    F_DUPFD_QUERY: _same_file,
    F_GETPIPE_SZ: _pipe_size,
    F_SETPIPE_SZ: _set_pipe_size,
    F_GET_SEALS: _seals,
    F_ADD_SEALS: _add_seals,
}


def _lock(task: LinuxTask, entry: Descriptor, command: int, address: int) -> int:
    """Record locks are the host's own, held by the host process that the guest process is."""
    memory = task.process.memory
    raw = memory.read(address, _FLOCK.size)
    buffer = ctypes.create_string_buffer(raw, _FLOCK.size)
    try:
        hostcalls.call("fcntl", entry.host, _WAITING.get(command, command), buffer)
    except OSError as error:
        if command in _WAITING and error.errno in (errno.EAGAIN, errno.EACCES):
            raise _retry_later(task) from None
        raise
    if command in (F_GETLK, F_OFD_GETLK):
        memory.write(address, _with_guest_pid(task, buffer.raw))
    return 0


def _with_guest_pid(task: LinuxTask, raw: bytes) -> bytes:
    """A struct flock as the host filled it, with the holder's pid as the guest knows it (0: not one of
    ours).
    """
    kind, whence, start, length, holder = _FLOCK.unpack(raw)
    if kind != F_UNLCK and holder > 0:
        table = task.machine.family.pids
        holder = next((e.pid for e in table if e.host_pid == holder), 0)
    return _FLOCK.pack(kind, whence, start, length, holder)


def _retry_later(task: LinuxTask) -> Block:
    return Block(Wait(deadline=task.machine.clock.monotonic() + RETRY_NS))


@syscall("flock")
def sys_flock(task: LinuxTask, fd: int, operation: int) -> int:
    """flock(2): the host's own lock; a wait for it is repeated tries."""
    operation &= 0xFFFF_FFFF
    if operation & LOCK_MAND:
        return 0
    if operation & ~4 not in (1, 2, 8):
        raise fail(errno.EINVAL)
    entry = files(task).usable(s32(fd))
    try:
        hostcalls.call("flock", entry.host, operation | 4)
    except OSError as error:
        if error.errno == errno.EAGAIN and not operation & 4:
            raise _retry_later(task) from None
        raise
    return 0
