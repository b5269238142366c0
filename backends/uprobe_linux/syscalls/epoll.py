"""epoll (fs/eventpoll.c): the host's, since every guest descriptor has a host descriptor of its own."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING, Any

from uprobe_linux.calls import Wait
from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.fs.descriptors import Stream
from uprobe_linux.syscalls.pipes import SignalStream, watch_signals
from uprobe_linux.syscalls.poll import enter_mask, leave_mask
from uprobe_linux.syscalls.support import fail, files, timespec
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3
POLLIN = 1
_GUEST = struct.Struct("<IxxxxQ")
_HOST = hostcalls.EPOLL_EVENT
MAX_EVENTS = 0x7FFF_FFFF // _GUEST.size
AT_ONCE = 4096


class EpollStream(Stream):
    """An epoll set; reading and writing it is EINVAL."""

    __slots__ = ("terminals",)

    def __init__(self, path: str) -> None:
        super().__init__(path=path)
        self.terminals: dict[int, Any] = {}
        """The run's own terminals in it, by guest descriptor (``epoll_terminals``): the host's has none."""


def _epoll(task: LinuxTask, fd: int) -> Descriptor:
    entry = files(task).usable(s32(fd))
    if not isinstance(entry.file, EpollStream):
        raise fail(errno.EINVAL)
    return entry


@syscall("epoll_create1")
def sys_epoll_create1(task: LinuxTask, flags: int) -> int:
    """epoll_create1(2)."""
    if flags & 0xFFFF_FFFF & ~oflags.G_CLOEXEC:
        raise fail(errno.EINVAL)
    files(task).room_for_one()
    host = hostcalls.call("epoll_create1", oflags.to_host(oflags.G_CLOEXEC))
    return files(task).install(EpollStream(path="anon_inode:[eventpoll]"), host, cloexec=bool(flags))


@syscall("epoll_ctl")
def sys_epoll_ctl(task: LinuxTask, epfd: int, operation: int, fd: int, event: int) -> int:
    """epoll_ctl(2)."""
    operation = s32(operation)
    data = None
    if operation != EPOLL_CTL_DEL:
        data = _HOST.pack(*_GUEST.unpack(task.process.memory.read(event, _GUEST.size)))
    holder = files(task).usable(s32(epfd))
    target = files(task).usable(s32(fd))
    if not target.file.is_stream:  # what has no poll operation
        raise fail(errno.EPERM)
    if not isinstance(holder.file, EpollStream) or holder.host == target.host:
        raise fail(errno.EINVAL)
    if target.file.is_terminal:
        from uprobe_linux.syscalls.epoll_terminals import control  # few programs make terminals

        control(task, holder, operation, s32(fd), None if data is None else _HOST.unpack(data))
        files(task).changed(s32(epfd))
        return 0
    hostcalls.call("epoll_ctl", holder.host, operation, target.host, data)
    return 0


@syscall("epoll_pwait")
def sys_epoll_pwait(
    task: LinuxTask, epfd: int, events: int, count: int, timeout: int, mask: int, mask_size: int
) -> int:
    """epoll_pwait(2); *timeout* in milliseconds, negative: for ever."""
    milliseconds = s32(timeout)
    limit = None if milliseconds < 0 else milliseconds * 1_000_000
    return _wait(task, epfd, events, s32(count), limit, (mask, mask_size))


@syscall("epoll_pwait2")
def sys_epoll_pwait2(
    task: LinuxTask, epfd: int, events: int, count: int, timeout: int, mask: int, mask_size: int
) -> int:
    """epoll_pwait2(2): the time-out is a timespec."""
    limit = timespec(task, timeout) if timeout else None
    return _wait(task, epfd, events, s32(count), limit, (mask, mask_size))


def _wait(
    task: LinuxTask, epfd: int, events: int, count: int, limit: int | None, mask: tuple[int, int]
) -> int:
    if not 0 < count <= MAX_EVENTS:
        raise fail(errno.EINVAL)
    now = task.machine.clock.monotonic()
    deadline = task.wait.deadline if task.wait is not None else None if limit is None else now + limit
    enter_mask(task, *mask)
    try:
        entry = _epoll(task, epfd)
        found = _collect(task, entry, count)
    except BaseException:
        leave_mask(task)
        raise
    if not found and (deadline is None or now < deadline):
        fds = ((entry.host, POLLIN), *_waits(task, entry))
        raise Block(Wait(fds=fds, deadline=deadline, interrupted=-errno.EINTR))
    leave_mask(task)
    if found:
        task.process.memory.write(events, b"".join(_GUEST.pack(*event) for event in found))
    return len(found)


def _collect(task: LinuxTask, entry: Descriptor, count: int) -> list[tuple[int, int]]:
    _sync_signals(task)
    size = min(count, AT_ONCE)
    buffer = ctypes.create_string_buffer(_HOST.size * size)
    number = hostcalls.call("epoll_pwait", entry.host, buffer, size, 0, None, 8)
    found = [_HOST.unpack_from(buffer, _HOST.size * i) for i in range(number)]
    if isinstance(entry.file, EpollStream) and entry.file.terminals:
        from uprobe_linux.syscalls.epoll_terminals import collect

        found = collect(task, entry, found, count)
    return found


def _waits(task: LinuxTask, entry: Descriptor) -> tuple[tuple[int, int], ...]:
    """What to wait for besides the host's set."""
    if not isinstance(entry.file, EpollStream) or not entry.file.terminals:
        return ()
    from uprobe_linux.syscalls.epoll_terminals import waits

    return waits(task, entry)


def _sync_signals(task: LinuxTask) -> None:
    """Make signalfds of the set say what is true now; cheap when there are none."""
    table = files(task)
    if task.process.signal_watcher is None:
        return
    for fd in table:
        entry = table.get(fd)
        if isinstance(entry.file, SignalStream):
            watch_signals(task.process)
            entry.file.sync(entry.host, task)
