"""setitimer, getitimer and the timer_create family.  arm64 has no alarm(2): libc uses setitimer."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.processes.rlimits import RLIMIT_SIGPENDING
from uprobe_linux.scheduling.clock import saturated
from uprobe_linux.scheduling.timer import Timer
from uprobe_linux.scheduling.timers import ITIMER_PROF, ITIMER_REAL
from uprobe_linux.signals.numbers import LAST_SIGNAL, Sig
from uprobe_linux.syscalls.info import limit_of
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

CLOCK_REALTIME, CLOCK_PROCESS_CPU, CLOCK_THREAD_CPU = 0, 2, 3
_CLOCKS = (0, 1, 2, 3, 7, 8, 9, 11)
"""Clocks that timer_create knows (CLOCK_*_RAW and *_COARSE are EOPNOTSUPP or EINVAL)."""
TIMER_ABSTIME = 1
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 0, 1, 2, 4


def _read_pair(task: LinuxTask, address: int, unit: int) -> tuple[int, int]:
    """(interval, value) in ns from an itimerval (*unit* 1000) or itimerspec (*unit* 1)."""
    words = struct.unpack("<4q", task.process.memory.read(address, 32))
    for seconds, fraction in (words[:2], words[2:]):
        if seconds < 0 or not 0 <= fraction < 10**9 // unit:
            raise fail(errno.EINVAL)
    return saturated(words[0] * 10**9 + words[1] * unit), saturated(words[2] * 10**9 + words[3] * unit)


def _write_pair(task: LinuxTask, address: int, interval: int, value: int, unit: int) -> None:
    words = (interval // 10**9, interval % 10**9 // unit, value // 10**9, value % 10**9 // unit)
    task.process.memory.write(address, struct.pack("<4q", *words))


def _interval_timer(task: LinuxTask, which: int) -> Timer:
    if not ITIMER_REAL <= s32(which) <= ITIMER_PROF:
        raise fail(errno.EINVAL)
    return task.machine.timers.interval(task.process, s32(which))


def _arm(task: LinuxTask, timer: Timer, interval: int, value: int) -> None:
    timer.interval = interval
    task.machine.timers.arm(timer, task.machine.timers.now(timer) + value if value else None)
    task.machine.scheduler.attention = True


@syscall("getitimer")
def sys_getitimer(task: LinuxTask, which: int, current: int) -> int:
    """getitimer(2)."""
    timer = _interval_timer(task, which)
    _write_pair(task, current, timer.interval, task.machine.timers.left(timer), 1000)
    return 0


@syscall("setitimer")
def sys_setitimer(task: LinuxTask, which: int, new: int, old: int) -> int:
    """setitimer(2); a null *new* disarms, as Linux does with a warning."""
    interval, value = _read_pair(task, new, 1000) if new else (0, 0)
    timer = _interval_timer(task, which)
    before = timer.interval, task.machine.timers.left(timer)
    _arm(task, timer, interval, value)
    if old:
        _write_pair(task, old, *before, 1000)
    return 0


@syscall("timer_create")
def sys_timer_create(task: LinuxTask, clock: int, event: int, result: int) -> int:
    """timer_create(2)."""
    clock_id = s32(clock)
    is_cpu = clock_id < 0 or clock_id in (CLOCK_PROCESS_CPU, CLOCK_THREAD_CPU)
    if clock_id >= 0 and clock_id not in _CLOCKS:
        raise fail(errno.EINVAL)
    value, signo, tid = _read_event(task, event)
    if task.machine.timers.count(task.process) >= limit_of(task, RLIMIT_SIGPENDING)[0]:
        raise fail(errno.EAGAIN)  # each has a place in the queue of signals from here on
    timer = Timer(task.process, 0, signo, value, tid, is_cpu, realtime=clock_id in (CLOCK_REALTIME, 8, 11))
    task.process.memory.write_u32(result, 0)
    number = task.machine.timers.create(timer)
    if not event:
        timer.value = number
    task.process.memory.write_u32(result, number)
    return 0


def _read_event(task: LinuxTask, event: int) -> tuple[int, int, int]:
    """(value, signal or 0 for none, thread or 0) of a sigevent; SIGALRM to the process without one."""
    if not event:
        return 0, Sig.ALRM, 0
    value, signo, notify, tid = struct.unpack("<Qiii", task.process.memory.read(event, 20))
    if notify == SIGEV_NONE:
        return value, 0, 0
    if notify not in (SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID) or not 1 <= signo <= LAST_SIGNAL:
        raise fail(errno.EINVAL)
    if notify != SIGEV_THREAD_ID:
        return value, signo, 0
    if not any(t.tid == tid and not t.exited for t in task.process.tasks):
        raise fail(errno.EINVAL)
    return value, signo, tid


def _timer(task: LinuxTask, number: int) -> Timer:
    timer = task.machine.timers.find(task.process, s32(number))
    if timer is None:
        raise fail(errno.EINVAL)
    return timer


@syscall("timer_settime")
def sys_timer_settime(task: LinuxTask, number: int, flags: int, new: int, old: int) -> int:
    """timer_settime(2)."""
    if not new:
        raise fail(errno.EINVAL)
    interval, value = _read_pair(task, new, 1)
    timer = _timer(task, number)
    before = timer.interval, task.machine.timers.left(timer)
    if flags & TIMER_ABSTIME and value:
        clock = task.machine.clock
        now = clock.realtime() if timer.realtime else task.machine.timers.now(timer)
        value = max(value - now, 1)
    _arm(task, timer, interval, value)
    timer.queued, timer.overruns, timer.last_overrun = False, 0, 0
    if old:
        _write_pair(task, old, *before, 1)
    return 0


@syscall("timer_gettime")
def sys_timer_gettime(task: LinuxTask, number: int, current: int) -> int:
    """timer_gettime(2)."""
    timer = _timer(task, number)
    _write_pair(task, current, timer.interval, task.machine.timers.left(timer), 1)
    return 0


@syscall("timer_getoverrun")
def sys_timer_getoverrun(task: LinuxTask, number: int) -> int:
    """timer_getoverrun(2): extra expiries that the last delivered signal stood for."""
    return _timer(task, number).last_overrun


@syscall("timer_delete")
def sys_timer_delete(task: LinuxTask, number: int) -> int:
    """timer_delete(2)."""
    task.machine.timers.delete(_timer(task, number))
    return 0
