"""Asynchronous input and output as libaio asks for it (fs/aio.c).

What is submitted is done before io_submit answers, as a kernel does it with files that are not opened for
O_DIRECT. Completions lie in the ring that a program may read by itself (struct aio_ring). IOCB_CMD_POLL is
EINVAL, as on kernels before 4.19.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from uprobe_linux.calls import REFUSALS, Wait, refusal
from uprobe_linux.cpu import Perm
from uprobe_linux.fs import oflags
from uprobe_linux.memory.address_space import page_up
from uprobe_linux.syscalls.io import pread_into, pwrite_from, read_into, rwf, write_from
from uprobe_linux.syscalls.poll import enter_mask, leave_mask
from uprobe_linux.syscalls.size_limits import memory_may_grow
from uprobe_linux.syscalls.support import check_range, fail, files, iovecs, timespec
from uprobe_linux.syscalls.syncing import sys_fdatasync, sys_fsync
from uprobe_linux.syscalls.table import Block, s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

AIO_MAX_NR = 65536
"""/proc/sys/fs/aio-max-nr, for each process here."""
_RING, _EVENT, _IOCB = struct.Struct("<8I"), struct.Struct("<QQqq"), struct.Struct("<QIIHhIQQqQII")
_MAGIC, _HEAD, _TAIL = 0xA10A_10A1, 8, 12
_AT_LEAST = 4
"""Requests that a context has room for however few are asked for, on one processor."""
_RESFD, _IOPRIO = 1, 2
_EVENTFD = "anon_inode:[eventfd]"


@dataclass(slots=True)
class Context:
    """One context; its address is its name.

    :param requested: how many requests it was made for
    :param slots: events that the ring holds, one of them never used
    """

    address: int
    requested: int
    slots: int
    tail: int = 0


class Request(NamedTuple):
    """struct iocb."""

    data: int
    key: int
    rw_flags: int
    operation: int
    priority: int
    fd: int
    buffer: int
    size: int
    offset: int
    reserved: int
    flags: int
    resfd: int


def _context(task: LinuxTask, address: int) -> Context:
    found: Context | None = task.process.memory.aio_contexts.get(address)
    if found is None:
        raise fail(errno.EINVAL)
    return found


@syscall("io_setup")
def sys_io_setup(task: LinuxTask, number: int, address: int) -> int:
    """io_setup(2)."""
    memory = task.process.memory
    wanted = number & 0xFFFF_FFFF
    if memory.read_u64(address) or not wanted:
        raise fail(errno.EINVAL)
    contexts = memory.aio_contexts
    slots = 2 * max(wanted, _AT_LEAST)
    if slots > 0x1000_0000 // _EVENT.size:
        raise fail(errno.EINVAL)
    if wanted + sum(each.requested for each in contexts.values()) > AIO_MAX_NR:
        raise fail(errno.EAGAIN)
    size = page_up(_RING.size + _EVENT.size * (slots + 2))
    if not memory_may_grow(task, size, data=False):
        raise fail(errno.ENOMEM)
    memory.write_u64(address, 0)  # EFAULT before anything is there
    start = memory.find_gap(size)
    memory.map(start, size, Perm.READ | Perm.WRITE, label="/[aio] (deleted)")
    slots = (size - _RING.size) // _EVENT.size
    memory.write(start, _RING.pack(len(contexts), slots, 0, 0, _MAGIC, 1, 0, _RING.size))
    contexts[start] = Context(start, wanted, slots)
    memory.write_u64(address, start)
    return 0


@syscall("io_destroy")
def sys_io_destroy(task: LinuxTask, address: int) -> int:
    """io_destroy(2): nothing is under way."""
    context = _context(task, address)
    memory = task.process.memory
    del memory.aio_contexts[address]
    memory.unmap(address, page_up(_RING.size + _EVENT.size * context.slots))
    task.machine.scheduler.wake(_key(context))
    return 0


def _key(context: Context) -> tuple[str, int]:
    return "aio", context.address


# --- submitting -----------------------------------------------------------------------------------


@syscall("io_submit")
def sys_io_submit(task: LinuxTask, address: int, number: int, pointers: int) -> int:
    """io_submit(2): how many were done; an error only of the first."""
    context = _context(task, address)
    count = s64(number)
    if count < 0:
        raise fail(errno.EINVAL)
    for index in range(min(count, context.slots)):
        try:
            where = task.process.memory.read_u64(pointers + 8 * index)
            _submit(task, context, where)
            task.wait = None  # what this one slept for is none of the next one's
        except (*REFUSALS, Block):
            if index:
                return index
            raise
    return min(count, context.slots)


def _submit(task: LinuxTask, context: Context, where: int) -> None:
    """Do what the iocb at *where* says; raises what a kernel refuses to take."""
    request = Request(*_IOCB.unpack(task.process.memory.read(where, _IOCB.size)))
    if request.reserved or s64(request.size) < 0:
        raise fail(errno.EINVAL)
    if _held(task, context) >= context.slots - 1:
        raise fail(errno.EAGAIN)
    entry = files(task).usable(s32(request.fd))
    told = _told(task, request)
    task.process.memory.write_u32(where + 8, 0)
    operation = _OPERATIONS.get(request.operation)
    if operation is None:
        raise fail(errno.EINVAL)
    result = operation(task, entry, request)
    _complete(task, context, (request.data, where, result, 0))
    if told is not None:
        with contextlib.suppress(BlockingIOError):  # it counts no further
            os.eventfd_write(told.host, 1)


def _told(task: LinuxTask, request: Request) -> Descriptor | None:
    """The eventfd that counts the completion."""
    if not request.flags & _RESFD:
        return None
    entry = files(task).get(s32(request.resfd))
    if entry.file.path != _EVENTFD:
        raise fail(errno.EINVAL)
    return entry


def _held(task: LinuxTask, context: Context) -> int:
    """Events in the ring."""
    return (context.tail - _head(task, context)) % context.slots


def _head(task: LinuxTask, context: Context) -> int:
    """The first event, which a program may take by itself."""
    return task.process.memory.read_u32(context.address + _HEAD) % context.slots


def _complete(task: LinuxTask, context: Context, event: tuple[int, int, int, int]) -> None:
    memory = task.process.memory
    memory.write(context.address + _RING.size + _EVENT.size * context.tail, _EVENT.pack(*event))
    context.tail = (context.tail + 1) % context.slots
    memory.write_u32(context.address + _TAIL, context.tail)
    task.machine.scheduler.wake(_key(context))


# --- what can be submitted ---------------------------------------------------------------------------

Operation = Callable[["LinuxTask", "Descriptor", Request], int]


def _transfer(*, writing: bool, vector: bool) -> Operation:
    excluded = oflags.G_RDONLY if writing else oflags.G_WRONLY

    def operation(task: LinuxTask, entry: Descriptor, request: Request) -> int:
        if entry.file.flags(entry.host) & oflags.G_ACCMODE == excluded:
            raise fail(errno.EBADF)
        if entry.file.is_dir or (request.offset < 0 and not entry.file.is_stream):
            raise fail(errno.EINVAL)
        rwf(request.rw_flags)
        pairs = [(request.buffer, request.size)]
        if vector:
            pairs = iovecs(task, request.buffer, request.size)
        for address, size in pairs:
            check_range(address, size)
        try:
            return _move(task, entry, request, pairs, writing=writing)
        except REFUSALS as error:
            return refusal(error)

    return operation


def _move(
    task: LinuxTask, entry: Descriptor, request: Request, pairs: list[tuple[int, int]], *, writing: bool
) -> int:
    """Read or write *pairs*, at the offset unless it is a stream."""
    if entry.file.is_stream:
        return write_from(task, entry, pairs) if writing else read_into(task, entry, pairs)
    return (pwrite_from if writing else pread_into)(task, entry, pairs, request.offset, request.rw_flags)


def _sync(call: Callable[[LinuxTask, int], int]) -> Operation:
    def operation(task: LinuxTask, entry: Descriptor, request: Request) -> int:
        if request.buffer or request.size or request.offset or request.rw_flags:
            raise fail(errno.EINVAL)
        if entry.file.is_stream:
            raise fail(errno.EINVAL)
        return call(task, request.fd)

    return operation


_OPERATIONS: dict[int, Operation] = {
    0: _transfer(writing=False, vector=False),  # IOCB_CMD_PREAD
    1: _transfer(writing=True, vector=False),  # IOCB_CMD_PWRITE
    2: _sync(sys_fsync),
    3: _sync(sys_fdatasync),
    7: _transfer(writing=False, vector=True),  # IOCB_CMD_PREADV
    8: _transfer(writing=True, vector=True),  # IOCB_CMD_PWRITEV
}


@syscall("io_cancel")
def sys_io_cancel(task: LinuxTask, address: int, where: int, result: int) -> int:
    """io_cancel(2): what was submitted is done."""
    task.process.memory.read(where, _IOCB.size)
    raise fail(errno.EINVAL)


# --- completions -----------------------------------------------------------------------------------


@syscall("io_getevents")
def sys_io_getevents(task: LinuxTask, address: int, least: int, most: int, events: int, timeout: int) -> int:
    """io_getevents(2)."""
    if task.wait is None:
        deadline = task.machine.clock.monotonic() + timespec(task, timeout) if timeout else None
    else:
        deadline = task.wait.deadline
    context = _context(task, address)
    lowest, room = s64(least), s64(most)
    if not 0 <= lowest <= room:
        raise fail(errno.EINVAL)
    done = task.wait.data if task.wait is not None else 0
    done += _take(task, context, events + _EVENT.size * done, room - done)
    is_over = deadline is not None and task.machine.clock.monotonic() >= deadline
    if done >= lowest or is_over:
        return int(done)
    raise Block(Wait(deadline=deadline, key=_key(context), data=done, interrupted=done or -errno.EINTR))


def _take(task: LinuxTask, context: Context, events: int, room: int) -> int:
    """Move at most *room* events out of the ring; how many."""
    memory, head = task.process.memory, _head(task, context)
    count = min(_held(task, context), room)
    for index in range(count):
        at = (head + index) % context.slots
        event = memory.read(context.address + _RING.size + _EVENT.size * at, _EVENT.size)
        memory.write(events + _EVENT.size * index, event)
    memory.write_u32(context.address + _HEAD, (head + count) % context.slots)
    return count


@syscall("io_pgetevents")
def sys_io_pgetevents(
    task: LinuxTask, address: int, least: int, most: int, events: int, timeout: int, mask: int
) -> int:
    """io_pgetevents(2): the sixth argument points to (mask, its size)."""
    where, size = struct.unpack("<QQ", task.process.memory.read(mask, 16)) if mask else (0, 8)
    enter_mask(task, where, size)
    try:
        count = sys_io_getevents(task, address, least, most, events, timeout)
    except Block:
        raise
    except BaseException:
        leave_mask(task)
        raise
    leave_mask(task)
    return count
