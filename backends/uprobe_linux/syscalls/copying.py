"""Moving data between descriptors: sendfile, splice, tee, vmsplice, copy_file_range (fs/splice.c)."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.scheduling.memory_meter import PIPE_BYTES
from uprobe_linux.syscalls.io import EAGAINS, read_into, write_from
from uprobe_linux.syscalls.size_limits import clip, take_memory
from uprobe_linux.syscalls.support import fail, files, iovecs, ready, sigpipe, wait_for
from uprobe_linux.syscalls.table import s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

CHUNK = 1 << 16
SPLICE_F_NONBLOCK, SPLICE_F_KNOWN = 2, 15


def _readable(task: LinuxTask, fd: int) -> Descriptor:
    entry = files(task).usable(s32(fd))
    if entry.file.flags(entry.host) & oflags.G_ACCMODE == oflags.G_WRONLY:
        raise fail(errno.EBADF)
    return entry


def _writable(task: LinuxTask, fd: int) -> Descriptor:
    entry = files(task).usable(s32(fd))
    if entry.file.flags(entry.host) & oflags.G_ACCMODE == oflags.G_RDONLY:
        raise fail(errno.EBADF)
    return entry


@syscall("sendfile")
def sys_sendfile(task: LinuxTask, out_fd: int, in_fd: int, position: int, count: int) -> int:
    """sendfile(2): through a buffer of ours, so that every kind of file works; blocks on a full target."""
    memory = task.process.memory
    given = s64(memory.read_u64(position)) if position else 0
    source = _readable(task, in_fd)
    piped = source.file.kind == "stream"
    if piped and position:
        raise fail(errno.ESPIPE)
    at = given if position or piped else os.lseek(source.host, 0, os.SEEK_CUR)
    if at < 0 or s64(count) < 0:
        raise fail(errno.EINVAL)
    target = _writable(task, out_fd)
    if piped or source.file.is_dir or target.file.flags(target.host) & oflags.G_APPEND:
        raise fail(errno.EINVAL)
    begin = at
    at = _send(task, source, target, at, min(count, 0x7FFF_F000))
    if position:
        memory.write_u64(position, at)
    else:
        os.lseek(source.host, at, os.SEEK_SET)
    return at - begin


def _send(task: LinuxTask, source: Descriptor, target: Descriptor, at: int, count: int) -> int:
    """Copy from *at*; the position reached. Blocks only if nothing was copied."""
    end = at + count
    while at < end:
        piece = bytearray(min(CHUNK, end - at))
        size = source.file.pread(source.host, [piece], at)
        if not size:
            break
        done = _put(task, target, piece[:size], begun=at > end - count)
        at += done
        if done < size:
            break
    return at


def _put(task: LinuxTask, target: Descriptor, piece: bytearray, *, begun: bool) -> int:
    """Write once; 0 when the target is full and something was copied before."""
    if target.file.kind == "foreign" and not ready(target.host, select.POLLOUT):
        return _full(task, target, begun=begun)
    try:
        return target.file.write(target.host, clip(task, target, [memoryview(piece)]))
    except OSError as error:
        if error.errno == errno.EPIPE:
            sigpipe(task)
        if error.errno in EAGAINS and target.file.is_stream:
            return _full(task, target, begun=begun)
        if begun:
            return 0
        raise


def _full(task: LinuxTask, target: Descriptor, *, begun: bool) -> int:
    if begun:
        return 0
    if target.file.nonblocking(target.host):
        raise fail(errno.EAGAIN)
    raise wait_for(task, target, select.POLLOUT)


@syscall("splice")
def sys_splice(
    task: LinuxTask, in_fd: int, in_position: int, out_fd: int, out_position: int, size: int, flags: int
) -> int:
    """splice(2): the host's, which asks that one side is a pipe."""
    if flags & 0xFFFF_FFFF & ~SPLICE_F_KNOWN:
        raise fail(errno.EINVAL)
    if not size:
        return 0
    source, target = files(task).usable(s32(in_fd)), files(task).usable(s32(out_fd))
    memory = task.process.memory
    for entry, address in ((source, in_position), (target, out_position)):
        if address and stat.S_ISFIFO(os.fstat(entry.host).st_mode):
            raise fail(errno.ESPIPE)
    positions = [memory.read(address, 8) if address else None for address in (in_position, out_position)]
    _readable(task, in_fd)
    _writable(task, out_fd)
    if "virtual" in (source.file.kind, target.file.kind) or _has_terminal(source, target):
        raise fail(errno.EINVAL)
    buffers = [bytearray(p) if p is not None else None for p in positions]
    take_memory(task, target, min(size, PIPE_BYTES))
    done = _splice_once(task, source, target, buffers, size, flags)
    for address, buffer in zip((in_position, out_position), buffers, strict=True):
        if buffer is not None:
            memory.write(address, buffer)
    return done


def _has_terminal(*ends: Descriptor) -> bool:
    """Whether one is a terminal of the run's own: the FIFO behind it is no pipe of the guest's."""
    return any(end.file.is_terminal for end in ends)


def _splice_once(
    task: LinuxTask,
    source: Descriptor,
    target: Descriptor,
    positions: list[bytearray | None],
    size: int,
    flags: int,
) -> int:
    raw = [None if p is None else (ctypes.c_char * 8).from_buffer(p) for p in positions]
    arguments = (source.host, raw[0], target.host, raw[1], min(size, 1 << 30), (flags & 0xFFFF_FFFF) | 2)
    try:
        return hostcalls.call("splice", *arguments)
    except OSError as error:
        if error.errno == errno.EPIPE:
            sigpipe(task)
        if error.errno not in EAGAINS or flags & SPLICE_F_NONBLOCK:
            raise
    return _wait_for_either(task, source, target)


def _wait_for_either(task: LinuxTask, source: Descriptor, target: Descriptor) -> int:
    """EAGAIN from the host: sleep until the side that held it up is ready."""
    lacking = source if source.file.is_stream and not ready(source.host, select.POLLIN) else target
    if lacking.file.nonblocking(lacking.host):
        raise fail(errno.EAGAIN)
    raise wait_for(task, lacking, select.POLLIN if lacking is source else select.POLLOUT)


@syscall("tee")
def sys_tee(task: LinuxTask, in_fd: int, out_fd: int, size: int, flags: int) -> int:
    """tee(2)."""
    if flags & 0xFFFF_FFFF & ~SPLICE_F_KNOWN:
        raise fail(errno.EINVAL)
    source, target = _readable(task, in_fd), _writable(task, out_fd)
    if _has_terminal(source, target):
        raise fail(errno.EINVAL)
    try:
        return hostcalls.call("tee", source.host, target.host, min(size, 1 << 30), flags & 0xFFFF_FFFF | 2)
    except OSError as error:
        if error.errno not in EAGAINS or flags & SPLICE_F_NONBLOCK:
            raise
    return _wait_for_either(task, source, target)


@syscall("vmsplice")
def sys_vmsplice(task: LinuxTask, fd: int, iov: int, count: int, flags: int) -> int:
    """vmsplice(2) as a copy: writing end, write; reading end, read."""
    entry = files(task).usable(s32(fd))
    if not stat.S_ISFIFO(os.fstat(entry.host).st_mode) or entry.file.is_terminal:
        raise fail(errno.EBADF)
    pairs = iovecs(task, iov, count)
    if entry.file.flags(entry.host) & oflags.G_ACCMODE == oflags.G_RDONLY:
        return read_into(task, entry, pairs)
    return write_from(task, entry, pairs)


@syscall("copy_file_range")
def sys_copy_file_range(
    task: LinuxTask, in_fd: int, in_position: int, out_fd: int, out_position: int, size: int, flags: int
) -> int:
    """copy_file_range(2) between regular files."""
    source, target = files(task).usable(s32(in_fd)), files(task).usable(s32(out_fd))
    memory = task.process.memory
    ends = [s64(memory.read_u64(p)) if p else None for p in (in_position, out_position)]
    if flags & 0xFFFF_FFFF:
        raise fail(errno.EINVAL)
    if source.file.is_dir or target.file.is_dir:
        raise fail(errno.EISDIR)
    if source.file.kind != "file" or target.file.kind != "file":
        raise fail(errno.EINVAL)
    _readable(task, in_fd)
    _writable(task, out_fd)
    if any(e is not None and e < 0 for e in ends):
        raise fail(errno.EINVAL)
    take_memory(task, target, min(size, 1 << 30, os.fstat(source.host).st_size))
    done = os.copy_file_range(source.host, target.host, min(size, 1 << 30), ends[0], ends[1])
    for address, end in zip((in_position, out_position), ends, strict=True):
        if end is not None:
            memory.write_u64(address, end + done)
    return done
