"""pipe2, eventfd2, timerfd and signalfd: descriptors that are streams of events or bytes."""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.fs import oflags
from uprobe_linux.fs.descriptors import Buffers, Stream, stream
from uprobe_linux.scheduling.clock import saturated
from uprobe_linux.scheduling.descriptor_timers import SharedTimer
from uprobe_linux.scheduling.timer import Timer
from uprobe_linux.signals.numbers import bit
from uprobe_linux.syscalls.support import fail, files, ready
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.signals.siginfo import SigInfo

__all__ = ("SignalStream", "TimerStream")

TFD_TIMER_ABSTIME = 1
EFD_SEMAPHORE = 1
_STATUS = oflags.G_NONBLOCK | oflags.G_CLOEXEC
_SIGNALFD_BYTES = 128
_COUNT_BYTES = 8
"""Of a timerfd's count."""
TIMER_LOCK = 3
"""Of the locks of the machine's shared memory."""


@syscall("pipe2")
def sys_pipe2(task: LinuxTask, address: int, flags: int) -> int:
    """pipe2(2); O_DIRECT is packet mode."""
    flags &= 0xFFFF_FFFF
    if flags & oflags.G_EXCL and not flags & ~(
        _STATUS | oflags.G_DIRECT | oflags.G_EXCL
    ):  # O_NOTIFICATION_PIPE: no CONFIG_WATCH_QUEUE
        raise fail(errno.ENOPKG)
    if flags & ~(_STATUS | oflags.G_DIRECT):
        raise fail(errno.EINVAL)
    table = files(task)
    table.room_for(2)
    ends = os.pipe2(oflags.to_host(flags & oflags.G_DIRECT) | os.O_CLOEXEC)
    wanted = bool(flags & oflags.G_NONBLOCK)
    fds = [
        table.install(stream(end, "", nonblocking=wanted), end, cloexec=bool(flags & oflags.G_CLOEXEC))
        for end in ends
    ]
    try:
        task.process.memory.write(address, struct.pack("<ii", *fds))
    except MemoryFault:
        for fd in fds:
            table.close(fd)
        raise
    return 0


@syscall("eventfd2")
def sys_eventfd2(task: LinuxTask, initial: int, flags: int) -> int:
    """eventfd2(2)."""
    flags &= 0xFFFF_FFFF
    if flags & ~(_STATUS | EFD_SEMAPHORE):
        raise fail(errno.EINVAL)
    host = os.eventfd(initial & 0xFFFF_FFFF, (flags & EFD_SEMAPHORE) | os.EFD_CLOEXEC)
    return _install(task, stream(host, "anon_inode:[eventfd]", nonblocking=False), host, flags)


def _install(task: LinuxTask, file: Stream, host: int, flags: int) -> int:
    file.set_flags(host, oflags.G_RDWR | flags & oflags.G_NONBLOCK)
    return files(task).install(file, host, cloexec=bool(flags & oflags.G_CLOEXEC))


# --- timerfd ---------------------------------------------------------------------------------------


class TimerStream(Stream):
    """A timerfd: an eventfd that counts the expiries of a timer on the machine's clock."""

    __slots__ = ("timer",)

    def __init__(self, timer: SharedTimer) -> None:
        super().__init__(path="anon_inode:[timerfd]")
        self.timer = timer

    def read(self, host: int, buffers: Buffers) -> int:
        """The expiries since the last read; the host's counter knows of the first alone."""
        if sum(map(len, buffers)) < _COUNT_BYTES:
            return super().read(host, buffers)
        machine = self.timer.process.machine
        count = os.eventfd_read(host)
        count += self.timer.was_read(machine.clock.monotonic())
        machine.scheduler.attention = True
        raw = count.to_bytes(_COUNT_BYTES, "little")
        for buffer in buffers:
            part, raw = raw[: len(buffer)], raw[len(buffer) :]
            buffer[: len(part)] = part
        return _COUNT_BYTES

    def write(self, host: int, buffers: Buffers) -> int:
        """Timers cannot be written to."""
        raise fail(errno.EINVAL)


@syscall("timerfd_create")
def sys_timerfd_create(task: LinuxTask, clock: int, flags: int) -> int:
    """timerfd_create(2): REALTIME, MONOTONIC, BOOTTIME and the ALARM clocks."""
    flags &= 0xFFFF_FFFF
    if flags & ~_STATUS or s32(clock) not in (0, 1, 7, 8, 9):
        raise fail(errno.EINVAL)
    files(task).room_for_one()
    host = os.eventfd(0, os.EFD_CLOEXEC)
    lock = partial(task.machine.family.shared.locked, TIMER_LOCK)
    timer = SharedTimer(task.process, realtime=s32(clock) in (0, 8), lock=lock)
    task.machine.timers.descriptors.watch(timer)
    timer.on_expiry = _counter(host)
    return _install(task, TimerStream(timer), host, flags)


def _counter(host: int) -> Callable[[int], bool]:
    """What an expiry does: add to the count, which others may hold after the timer's own descriptor is
    closed.
    """
    keep = os.dup(host)
    os.set_inheritable(keep, False)
    return _Bell(keep)


class _Bell:
    """Adds expiries to an eventfd through a descriptor of its own, closed with the last reference."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self, times: int) -> bool:
        os.eventfd_write(self._fd, times)
        return True

    def __del__(self) -> None:
        os.close(self._fd)


def _timer_of(task: LinuxTask, fd: int) -> tuple[TimerStream, int]:
    entry = files(task).usable(s32(fd))
    if not isinstance(entry.file, TimerStream):
        raise fail(errno.EINVAL)
    return entry.file, entry.host


@syscall("timerfd_settime")
def sys_timerfd_settime(task: LinuxTask, fd: int, flags: int, new: int, old: int) -> int:
    """timerfd_settime(2): starting anew forgets expiries that were not read."""
    words = struct.unpack("<4q", task.process.memory.read(new, 32))
    if flags & 0xFFFF_FFFF & ~3 or any(not 0 <= n < 10**9 for n in words[1::2]) or min(words[::2]) < 0:
        raise fail(errno.EINVAL)
    file, host = _timer_of(task, fd)
    previous = _timer_state(task, file.timer)
    interval, value = (saturated(words[i] * 10**9 + words[i + 1]) for i in (0, 2))
    timer, clock = file.timer, task.machine.clock
    if value and flags & TFD_TIMER_ABSTIME and timer.realtime:
        value = max(value - clock.realtime() + clock.monotonic(), 1)
    elif value and not flags & TFD_TIMER_ABSTIME:
        value += clock.monotonic()
    timer.interval, timer.expiry = interval, None
    if ready(host, select.POLLIN):
        os.eventfd_read(host)
    timer.was_read(clock.monotonic())
    timer.expiry = value or None
    task.machine.scheduler.attention = True
    if old:
        task.process.memory.write(old, previous)
    return 0


@syscall("timerfd_gettime")
def sys_timerfd_gettime(task: LinuxTask, fd: int, address: int) -> int:
    """timerfd_gettime(2)."""
    file, _ = _timer_of(task, fd)
    task.process.memory.write(address, _timer_state(task, file.timer))
    return 0


def _timer_state(task: LinuxTask, timer: Timer) -> bytes:
    left = task.machine.timers.left(timer)
    return struct.pack("<4q", *divmod(timer.interval, 10**9), *divmod(left, 10**9))


# --- signalfd ----------------------------------------------------------------------------------------


class SignalStream(Stream):
    """A signalfd: an eventfd that is readable while a signal of *mask* is pending for the process."""

    __slots__ = ("mask",)

    def __init__(self, mask: int) -> None:
        super().__init__(path="anon_inode:[signalfd]")
        self.mask = mask

    def write(self, host: int, buffers: Buffers) -> int:
        """Signals are not sent this way."""
        raise fail(errno.EINVAL)

    def sync(self, host: int, task: LinuxTask) -> None:
        """Make readiness what the queues of *task* say."""
        pending = (task.signals.pending.mask | task.process.signals.pending.mask) & self.mask
        if bool(pending) == ready(host, select.POLLIN):
            return
        if pending:
            os.eventfd_write(host, 1)
        else:
            os.eventfd_read(host)

    def take(self, task: LinuxTask) -> SigInfo | None:
        """The next pending signal of the set, taken off its queue."""
        own: SigInfo | None = task.signals.pending.take(~self.mask)
        shared: SigInfo | None = None if own else task.process.signals.pending.take(~self.mask)
        return own or shared


@syscall("signalfd4")
def sys_signalfd4(task: LinuxTask, fd: int, mask: int, size: int, flags: int) -> int:
    """signalfd4(2): a new descriptor for fd -1, else another mask for an old one."""
    flags &= 0xFFFF_FFFF
    if size != 8:
        raise fail(errno.EINVAL)
    wanted = task.process.memory.read_u64(mask) & ~(bit(9) | bit(19))
    if flags & ~_STATUS:
        raise fail(errno.EINVAL)
    if s32(fd) != -1:
        entry = files(task).usable(s32(fd))
        if not isinstance(entry.file, SignalStream):
            raise fail(errno.EINVAL)
        entry.file.mask = wanted
        return s32(fd)
    files(task).room_for_one()
    host = os.eventfd(0, os.EFD_CLOEXEC)
    file = SignalStream(wanted)
    number = _install(task, file, host, flags)
    watch_signals(task.process)
    return number


def watch_signals(process: Process) -> None:
    """Have signals that are queued for *process* make its signalfds readable."""
    process.signal_watcher = _notice


def _notice(process: Process, signo: int) -> None:
    for fd in process.files:
        entry = process.files.get(fd)
        if isinstance(entry.file, SignalStream) and entry.file.mask & bit(signo):
            os.eventfd_write(entry.host, 1)


def read_signals(task: LinuxTask, file: SignalStream, host: int, size: int) -> bytes:
    """As many struct signalfd_siginfo as fit *size* bytes; b"" when nothing is pending,
    EINVAL if none fits.
    """
    if size < _SIGNALFD_BYTES:
        raise fail(errno.EINVAL)
    out = b""
    while len(out) + _SIGNALFD_BYTES <= size:
        info = file.take(task)
        if info is None:
            break
        out += _pack_signal(info)
    watch_signals(task.process)
    file.sync(host, task)
    return out


def _pack_signal(info: SigInfo) -> bytes:
    """struct signalfd_siginfo (include/uapi/linux/signalfd.h) from the siginfo union, by kind of sender."""
    payload = info.payload.ljust(32, b"\0")
    head = struct.pack("<Iii", info.signo, info.errno, info.code)
    pid, uid = struct.unpack_from("<II", payload)
    status, value, utime, stime = 0, 0, 0, 0
    if info.signo == 17 and info.code > 0:
        status, utime, stime = struct.unpack_from("<ixxxxqq", payload, 8)
        body = struct.pack("<II", pid, uid) + bytes(4 * 4) + bytes(4) + struct.pack("<ii", status, 0)
        body += struct.pack("<QQQ", 0, utime, stime)
    else:
        value = struct.unpack_from("<Q", payload, 8)[0]
        body = struct.pack("<II", pid, uid) + bytes(4 * 4) + bytes(4)
        body += struct.pack("<ii", status, s32(value)) + struct.pack("<QQQ", value, 0, 0)
    return (head + body).ljust(_SIGNALFD_BYTES, b"\0")
