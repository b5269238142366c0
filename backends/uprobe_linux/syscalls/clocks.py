"""Reading clocks and sleeping (kernel/time/posix-timers.c, hrtimer.c, time.c)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.syscalls.support import fail, pack_timespec, timespec
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("read_clock",)

REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU, MONOTONIC_RAW = range(5)
REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME, REALTIME_ALARM, BOOTTIME_ALARM = range(5, 10)
TAI = 11
_WALL = (REALTIME, REALTIME_COARSE, REALTIME_ALARM, TAI)
_STEADY = (MONOTONIC, MONOTONIC_RAW, MONOTONIC_COARSE, BOOTTIME, BOOTTIME_ALARM)
_COARSE = (REALTIME_COARSE, MONOTONIC_COARSE)
_SLEEPABLE = (REALTIME, MONOTONIC, PROCESS_CPU, BOOTTIME, REALTIME_ALARM, BOOTTIME_ALARM, TAI)
COARSE_NS = 4_000_000
"""A tick of Debian's CONFIG_HZ=250."""
TIMER_ABSTIME = 1
TICK_NS = 10_000_000
"""USER_HZ is 100."""


def read_clock(task: LinuxTask, number: int) -> int:
    """Clock *number* in nanoseconds; OSError(EINVAL) for one that does not exist."""
    clock = task.machine.clock
    if number in _STEADY:
        value: int = clock.monotonic()
    elif number in _WALL:
        value = clock.realtime()
    elif number in (PROCESS_CPU, THREAD_CPU) or _is_own_cpu_clock(task, number):
        value = clock.cpu_time()
    else:
        raise fail(errno.EINVAL)
    return value // COARSE_NS * COARSE_NS if number in _COARSE else value


def _is_own_cpu_clock(task: LinuxTask, number: int) -> bool:
    """A clock made from a pid (clock_getcpuclockid): ~pid << 3 with 2 for the CPU time, +4 for a thread's."""
    if number >= 0 or number & 3 == 3:
        return False
    wanted = ~(number >> 3)
    return wanted in (0, task.process.pid) or any(t.tid == wanted for t in task.process.tasks)


@syscall("clock_gettime")
def sys_clock_gettime(task: LinuxTask, number: int, address: int) -> int:
    """clock_gettime(2)."""
    task.process.memory.write(address, pack_timespec(read_clock(task, s32(number))))
    return 0


@syscall("clock_getres")
def sys_clock_getres(task: LinuxTask, number: int, address: int) -> int:
    """clock_getres(2): high-resolution timers, 1 ns; a tick for the coarse clocks."""
    read_clock(task, s32(number))
    if address:
        task.process.memory.write(address, pack_timespec(COARSE_NS if s32(number) in _COARSE else 1))
    return 0


@syscall("clock_settime")
def sys_clock_settime(task: LinuxTask, number: int, address: int) -> int:
    """clock_settime(2): nobody sets the machine's clock."""
    if s32(number) != REALTIME:
        raise fail(errno.EINVAL)
    timespec(task, address)
    raise fail(errno.EPERM)


@syscall("gettimeofday")
def sys_gettimeofday(task: LinuxTask, address: int, zone: int) -> int:
    """gettimeofday(2); the kernel's time zone is UTC."""
    memory = task.process.memory
    if address:
        seconds, rest = divmod(task.machine.clock.realtime(), 1_000_000_000)
        memory.write(address, struct.pack("<qq", seconds, rest // 1000))
    if zone:
        memory.write(zone, bytes(8))
    return 0


@syscall("settimeofday")
def sys_settimeofday(task: LinuxTask, address: int, zone: int) -> int:
    """settimeofday(2)."""
    raise fail(errno.EPERM)


@syscall("adjtimex")
def sys_adjtimex(task: LinuxTask, address: int) -> int:
    """adjtimex(2): reading (modes 0) gives a clock that nobody disciplines."""
    return _adjust(task, address)


@syscall("clock_adjtime")
def sys_clock_adjtime(task: LinuxTask, number: int, address: int) -> int:
    """clock_adjtime(2)."""
    if s32(number) != REALTIME:
        raise fail(errno.EOPNOTSUPP if s32(number) in _STEADY else errno.EINVAL)
    return _adjust(task, address)


def _adjust(task: LinuxTask, address: int) -> int:
    memory = task.process.memory
    raw = bytearray(memory.read(address, 208))
    if int.from_bytes(raw[0:4], "little"):
        raise fail(errno.EPERM)
    seconds, rest = divmod(task.machine.clock.realtime(), 1_000_000_000)
    raw[8:] = bytes(200)
    struct.pack_into("<i4xqq", raw, 40, 0x40, 0, 0)  # status: STA_UNSYNC
    struct.pack_into("<qq", raw, 72, seconds, rest // 1000)
    struct.pack_into("<q", raw, 88, 10_000)
    memory.write(address, bytes(raw))
    return 5  # TIME_ERROR: not synchronised


@syscall("times")
def sys_times(task: LinuxTask, address: int) -> int:
    """times(2): in ticks of 10 ms; everything counts as user time."""
    mine = task.machine.clock.cpu_time() // TICK_NS
    children = task.machine.family.entry(task.process).children_ns // TICK_NS
    if address:
        task.process.memory.write(address, struct.pack("<4q", mine, 0, children, 0))
    now: int = task.machine.clock.monotonic()
    return now // TICK_NS


@syscall("nanosleep")
def sys_nanosleep(task: LinuxTask, wanted: int, left: int) -> int:
    """nanosleep(2)."""
    if task.wait is None:
        deadline = task.machine.clock.monotonic() + timespec(task, wanted)
        _sleep(task, deadline, left)
    return 0


@syscall("clock_nanosleep")
def sys_clock_nanosleep(task: LinuxTask, number: int, flags: int, wanted: int, left: int) -> int:
    """clock_nanosleep(2): all clocks advance together, so any of them may say when."""
    if task.wait is not None:
        return 0
    clock = s32(number)
    if clock not in _SLEEPABLE:
        read_clock(task, clock)
        raise fail(errno.EINVAL if clock == THREAD_CPU else errno.EOPNOTSUPP)
    time = timespec(task, wanted)
    now = task.machine.clock.monotonic()
    if flags & TIMER_ABSTIME:
        _sleep(task, now + time - read_clock(task, clock), 0)
    else:
        _sleep(task, now + time, left)
    return 0


def _sleep(task: LinuxTask, deadline: int, left: int) -> None:
    """Sleep until *deadline* (monotonic); an interrupted sleep says at address *left* what remained."""

    def interrupted() -> int:
        if left:
            rest = max(deadline - task.machine.clock.monotonic(), 0)
            task.process.memory.write(left, pack_timespec(rest))
        return -errno.EINTR

    if deadline > task.machine.clock.monotonic():
        raise Block(Wait(deadline=deadline, interrupted=interrupted))
