"""Reading, writing and seeking (fs/read_write.c)."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import Perm
from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.syscalls.pipes import SignalStream, read_signals
from uprobe_linux.syscalls.size_limits import clip
from uprobe_linux.syscalls.support import (
    BAD_POINTER,
    MAX_RW,
    buffers,
    check_range,
    fail,
    files,
    iovecs,
    ready,
    sigpipe,
    wait_for,
)
from uprobe_linux.syscalls.table import Block, s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("EAGAINS", "pread_into", "pwrite_from", "read_into", "rwf", "write_from")

RWF_NOWAIT, RWF_APPEND = 8, 16
RWF_KNOWN = 0x3F
EAGAINS = (errno.EAGAIN, errno.EWOULDBLOCK)


@syscall("read")
def sys_read(task: LinuxTask, fd: int, address: int, size: int) -> int:
    """read(2)."""
    entry = files(task).usable(s32(fd))
    return read_into(task, entry, [(address, size)])


@syscall("readv")
def sys_readv(task: LinuxTask, fd: int, iov: int, count: int) -> int:
    """readv(2)."""
    entry = files(task).usable(s32(fd))
    pairs = _vectors(task, entry, iov, count, oflags.G_WRONLY)
    return (
        read_into(task, entry, pairs) if any(size for _, size in pairs) else _no_bytes(entry, oflags.G_WRONLY)
    )


@syscall("write")
def sys_write(task: LinuxTask, fd: int, address: int, size: int) -> int:
    """write(2)."""
    entry = files(task).usable(s32(fd))
    return write_from(task, entry, [(address, size)])


@syscall("writev")
def sys_writev(task: LinuxTask, fd: int, iov: int, count: int) -> int:
    """writev(2)."""
    entry = files(task).usable(s32(fd))
    return write_from(task, entry, _vectors(task, entry, iov, count, oflags.G_RDONLY))


def _vectors(
    task: LinuxTask, entry: Descriptor, iov: int, count: int, excluded: int
) -> list[tuple[int, int]]:
    """The iovec array; a descriptor with access mode *excluded* is EBADF before anything is wrong with it."""
    try:
        return iovecs(task, iov, count)
    except (OSError, MemoryFault):
        if entry.file.flags(entry.host) & oflags.G_ACCMODE == excluded:
            raise fail(errno.EBADF) from None
        raise


def _check_ranges(entry: Descriptor, pairs: list[tuple[int, int]], excluded: int) -> None:
    """access_ok for each buffer; only a wrong access mode comes before it."""
    try:
        for address, length in pairs:
            check_range(address, length)
    except MemoryFault:
        if entry.file.flags(entry.host) & oflags.G_ACCMODE == excluded:
            raise fail(errno.EBADF) from None
        raise


def _nothing_wanted(entry: Descriptor, call: str) -> int:
    """A transfer of 0 bytes still has the errors of the file's kind."""
    if entry.file.is_dir:
        raise fail(errno.EISDIR)
    return hostcalls.call(call, entry.host, BAD_POINTER, 0)


def _no_bytes(entry: Descriptor, excluded: int) -> int:
    """A vector of empty buffers asks nothing of the file but its access mode."""
    if entry.file.flags(entry.host) & oflags.G_ACCMODE == excluded:
        raise fail(errno.EBADF)
    return 0


def _faulting(entry: Descriptor, call: str, size: int) -> int:
    """Nothing of the guest's buffer can be accessed: the host says what comes first, EFAULT or another
    error.
    """
    return hostcalls.call(call, entry.host, BAD_POINTER, min(size, MAX_RW))


def read_into(task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]]) -> int:
    """Read at the position into guest memory; blocks for a stream without data."""
    file = entry.file
    size = sum(n for _, n in pairs)
    _check_ranges(entry, pairs, oflags.G_WRONLY)
    if file.is_terminal:
        from uprobe_linux.syscalls.terminals import read_terminal  # few programs make terminals

        done = read_terminal(task, entry, buffers(task, pairs, Perm.WRITE) if size else [])
        _stored(task, pairs, done)
        return done
    if not size and file.kind != "foreign":
        return _nothing_wanted(entry, "read")
    try:
        views = buffers(task, pairs, Perm.WRITE) if size else []
    except MemoryFault:
        if file.kind == "foreign":
            raise
        try:
            return _faulting(entry, "read", size)
        except OSError as error:
            if error.errno not in EAGAINS or not file.is_stream:
                raise
            _give_up(task, entry, select.POLLIN)
    if isinstance(file, SignalStream):
        return _read_signals(task, entry, file, pairs, size)
    if file.kind == "foreign" and not ready(entry.host, select.POLLIN):
        _give_up(task, entry, select.POLLIN)
    try:
        done = file.read(entry.host, views)
    except OSError as error:
        if error.errno not in EAGAINS or not file.is_stream:
            raise
        _give_up(task, entry, select.POLLIN)
    _stored(task, pairs, done)
    if file.is_stream:  # what was read may tell of it
        task.machine.family.follow_truncations()
    return done


def _read_signals(
    task: LinuxTask, entry: Descriptor, file: SignalStream, pairs: list[tuple[int, int]], size: int
) -> int:
    """A signalfd reads what is pending for the task that reads."""
    data = read_signals(task, file, entry.host, size)
    if not data:
        _give_up(task, entry, select.POLLIN)
    done = 0
    for address, room in pairs:
        task.process.memory.write(address, data[done : done + room])
        done += room
    return len(data)


def _give_up(task: LinuxTask, entry: Descriptor, events: int) -> None:
    """EAGAIN for a non-blocking descriptor, else sleep."""
    if entry.file.nonblocking(entry.host):
        raise fail(errno.EAGAIN)
    raise wait_for(task, entry, events)


def _stored(task: LinuxTask, pairs: list[tuple[int, int]], done: int) -> None:
    """Tell the address space which bytes were stored to behind its back."""
    for address, size in pairs:
        if done <= 0:
            return
        task.process.memory.wrote(address, min(size, done))
        done -= size


def write_from(task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]]) -> int:
    """Write guest memory at the position; a blocking stream takes everything before this answers."""
    file = entry.file
    done = _progress(task)
    _check_ranges(entry, pairs, oflags.G_RDONLY)
    try:
        views = buffers(task, _skip(pairs, done), Perm.READ)
    except MemoryFault:
        if done or file.kind == "foreign" or file.is_terminal:
            raise
        return _faulting(entry, "write", sum(n for _, n in pairs))
    if file.is_terminal:
        from uprobe_linux.syscalls.terminals import write_terminal

        return write_terminal(task, entry, views, done)
    total = done + sum(map(len, views))
    if file.is_stream and total > done:
        return _write_stream(task, entry, views, done, total)
    written = file.write(entry.host, clip(task, entry, views))
    task.process.memory.file_written()
    return written


def _progress(task: LinuxTask) -> int:
    """Bytes that this call had written before it slept."""
    wait = task.wait
    return wait.data if wait is not None and isinstance(wait.data, int) else 0


def _skip(pairs: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    rest = []
    for address, size in pairs:
        dropped = min(count, size)
        count -= dropped
        rest.append((address + dropped, size - dropped))
    return rest


def _write_stream(task: LinuxTask, entry: Descriptor, views: list[memoryview], done: int, total: int) -> int:
    """Write until all is gone, the stream is full (sleep, or a short count if non-blocking), or an error."""
    while done < total:
        try:
            if entry.file.kind == "foreign" and not ready(entry.host, select.POLLOUT):
                raise BlockingIOError(errno.EAGAIN, "full")
            count = entry.file.write(entry.host, views)
        except OSError as error:
            if error.errno == errno.EPIPE:
                sigpipe(task)
            if error.errno not in EAGAINS:
                if done:
                    return done
                raise
            if entry.file.nonblocking(entry.host):
                if done:
                    return done
                raise
            raise wait_for(task, entry, select.POLLOUT, data=done, interrupted=done or None) from None
        done += count
        views = _rest(views, count)
    return done


def _rest(views: list[memoryview], count: int) -> list[memoryview]:
    """*views* without their first *count* bytes."""
    rest = []
    for view in views:
        dropped = min(count, len(view))
        count -= dropped
        if dropped < len(view):
            rest.append(view[dropped:])
    return rest


# --- at a position --------------------------------------------------------------------------------


@syscall("pread64")
def sys_pread64(task: LinuxTask, fd: int, address: int, size: int, offset: int) -> int:
    """pread64(2)."""
    return _pread(task, fd, (address, size), s64(offset), 0)


@syscall("preadv")
def sys_preadv(task: LinuxTask, fd: int, iov: int, count: int, low: int) -> int:
    """preadv(2); a 64-bit kernel takes the whole position in one register."""
    return _pread(task, fd, (iov, count), s64(low), 0, vector=True)


@syscall("preadv2")
def sys_preadv2(task: LinuxTask, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> int:
    """preadv2(2); position -1 means the file's own."""
    if s64(low) == -1:
        files(task).usable(s32(fd))
        return _at_once(rwf(flags), lambda: sys_readv(task, fd, iov, count))
    return _pread(task, fd, (iov, count), s64(low), flags, vector=True)


@syscall("pwrite64")
def sys_pwrite64(task: LinuxTask, fd: int, address: int, size: int, offset: int) -> int:
    """pwrite64(2)."""
    return _pwrite(task, fd, (address, size), s64(offset), 0)


@syscall("pwritev")
def sys_pwritev(task: LinuxTask, fd: int, iov: int, count: int, low: int) -> int:
    """pwritev(2)."""
    return _pwrite(task, fd, (iov, count), s64(low), 0, vector=True)


@syscall("pwritev2")
def sys_pwritev2(task: LinuxTask, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> int:
    """pwritev2(2); position -1 means the file's own."""
    if s64(low) == -1:
        entry = files(task).usable(s32(fd))
        if rwf(flags) & RWF_APPEND and not entry.file.is_stream:
            sys_lseek(task, fd, 0, os.SEEK_END)
        return _at_once(flags, lambda: sys_writev(task, fd, iov, count))
    return _pwrite(task, fd, (iov, count), s64(low), flags, vector=True)


def _at_once(flags: int, made: Callable[[], int]) -> int:
    """What *made* answers; under RWF_NOWAIT, where it would sleep, what it has done so far, or EAGAIN."""
    try:
        return made()
    except Block as block:
        if not flags & RWF_NOWAIT:
            raise
        if isinstance(block.wait.data, int) and block.wait.data:
            return block.wait.data
        raise fail(errno.EAGAIN) from None


def rwf(flags: int) -> int:
    """The RWF_ flags of a call; EOPNOTSUPP for one that is unknown."""
    flags &= 0xFFFF_FFFF
    if flags & ~RWF_KNOWN:
        raise fail(errno.EOPNOTSUPP)
    return flags


def _pread(
    task: LinuxTask, fd: int, where: tuple[int, int], offset: int, flags: int, *, vector: bool = False
) -> int:
    """Read at *offset*; *where* is (address, size) or, for a *vector*, (iovec array, count)."""
    entry = _positioned(task, fd, offset)
    pairs = _vectors(task, entry, *where, oflags.G_WRONLY) if vector else [where]
    return pread_into(task, entry, pairs, offset, rwf(flags))


def pread_into(
    task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]], offset: int, flags: int
) -> int:
    """Read at *offset* into guest memory."""
    views = _views(task, entry, pairs, Perm.WRITE, oflags.G_WRONLY)
    done = entry.file.pread(entry.host, views, offset, flags)
    _stored(task, pairs, done)
    return done


def _pwrite(
    task: LinuxTask, fd: int, where: tuple[int, int], offset: int, flags: int, *, vector: bool = False
) -> int:
    """Write at *offset*; *where* as for _pread."""
    entry = _positioned(task, fd, offset)
    pairs = _vectors(task, entry, *where, oflags.G_RDONLY) if vector else [where]
    return pwrite_from(task, entry, pairs, offset, rwf(flags))


def pwrite_from(
    task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]], offset: int, flags: int
) -> int:
    """Write guest memory at *offset*."""
    views = clip(task, entry, _views(task, entry, pairs, Perm.READ, oflags.G_RDONLY), offset)
    written = entry.file.pwrite(entry.host, views, offset, flags)
    task.process.memory.file_written()
    return written


def _views(
    task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]], access: Perm, excluded: int
) -> list[memoryview]:
    """The guest's buffers; a wrong access mode and a folder come before a bad pointer."""
    _check_ranges(entry, pairs, excluded)
    try:
        return buffers(task, pairs, access)
    except MemoryFault:
        if entry.file.flags(entry.host) & oflags.G_ACCMODE == excluded:
            raise fail(errno.EBADF) from None
        if entry.file.is_dir:
            raise fail(errno.EISDIR) from None
        raise


def _positioned(task: LinuxTask, fd: int, offset: int) -> Descriptor:
    if offset < 0:
        raise fail(errno.EINVAL)
    entry = files(task).usable(s32(fd))
    if entry.file.is_stream and entry.file.kind == "stream":
        raise fail(errno.ESPIPE)
    return entry


@syscall("lseek")
def sys_lseek(task: LinuxTask, fd: int, offset: int, whence: int) -> int:
    """lseek(2), SEEK_DATA and SEEK_HOLE included."""
    entry = files(task).usable(s32(fd))
    whence &= 0xFFFF_FFFF
    if whence > 4:
        raise fail(errno.EINVAL)
    entry.file.seeking(entry.host)
    return os.lseek(entry.host, s64(offset), whence)
