"""Scheduling policies: remembered and shown, without effect on who runs (kernel/sched/syscalls.c)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, cast

from uprobe_linux.cpu import PAGE
from uprobe_linux.syscalls.info import known_task
from uprobe_linux.syscalls.processes import find
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

_NORMAL, _FIFO, _RR, _BATCH, _IDLE, _DEADLINE = 0, 1, 2, 3, 5, 6
_RESET_ON_FORK = 0x40000000
"""SCHED_RESET_ON_FORK: beside the policy of sched_setscheduler."""
_CAP_SYS_NICE = 23
_ATTR = struct.Struct("<IIQiI3QII")
_ATTR_OLDEST = 48
_KEEP_POLICY, _KEEP_PARAMS, _UTIL_CLAMP, _FLAGS = 0x8, 0x10, 0x60, 0x7F
_SHORTEST, _LONGEST = 100_000, (1 << 22) * 1000
"""Periods of SCHED_DEADLINE, in nanoseconds (sched_deadline_period_min_us and max_us)."""


def _target(task: LinuxTask, pid: int) -> LinuxTask | None:
    """The thread *pid* of the caller's process, 0: the caller; None: another process, of which nothing is
    kept. EINVAL, ESRCH.
    """
    if s32(pid) < 0:
        raise fail(errno.EINVAL)
    known_task(task, pid)
    if not s32(pid):
        return task
    found = next((each for each in task.process.tasks if each.tid == s32(pid)), None)
    return cast("LinuxTask | None", found)


def _priorities(policy: int) -> tuple[int, int]:
    """(least, greatest) static priority of a policy; EINVAL for one that does not exist."""
    if policy in (_FIFO, _RR):
        return 1, 99
    if policy in (_NORMAL, _BATCH, _IDLE, _DEADLINE, 7):
        return 0, 0
    raise fail(errno.EINVAL)


@syscall("sched_get_priority_max")
def sys_sched_get_priority_max(task: LinuxTask, policy: int) -> int:
    """sched_get_priority_max(2)."""
    return _priorities(s32(policy))[1]


@syscall("sched_get_priority_min")
def sys_sched_get_priority_min(task: LinuxTask, policy: int) -> int:
    """sched_get_priority_min(2)."""
    return _priorities(s32(policy))[0]


@syscall("sched_getscheduler")
def sys_sched_getscheduler(task: LinuxTask, pid: int) -> int:
    """sched_getscheduler(2)."""
    target = _target(task, pid)
    return _NORMAL if target is None else target.sched_policy


@syscall("sched_setscheduler")
def sys_sched_setscheduler(task: LinuxTask, pid: int, policy: int, parameter: int) -> int:
    """sched_setscheduler(2)."""
    if s32(pid) < 0 or s32(policy) < 0 or not parameter:
        raise fail(errno.EINVAL)
    return _set(task, pid, s32(policy) & ~_RESET_ON_FORK, parameter)


def _set(task: LinuxTask, pid: int, policy: int | None, parameter: int) -> int:
    """Set the priority of *pid*, and the *policy* unless that stays."""
    priority = s32(task.process.memory.read_u32(parameter))
    target = _target(task, pid)
    if policy is None:
        policy = _NORMAL if target is None else target.sched_policy
    _check_static(task, policy, priority)
    if policy == _DEADLINE:
        raise fail(errno.EINVAL)
    if target is not None:
        target.sched_policy, target.sched_priority = policy, priority
    return 0


def _check_static(task: LinuxTask, policy: int, priority: int) -> None:
    low, high = _priorities(policy)
    if not low <= priority <= high:
        raise fail(errno.EINVAL)
    if policy in (_FIFO, _RR) and not identity(task).can(_CAP_SYS_NICE):
        raise fail(errno.EPERM)


@syscall("sched_getparam")
def sys_sched_getparam(task: LinuxTask, pid: int, parameter: int) -> int:
    """sched_getparam(2)."""
    if not parameter:
        raise fail(errno.EINVAL)
    target = _target(task, pid)
    task.process.memory.write_u32(parameter, 0 if target is None else target.sched_priority)
    return 0


@syscall("sched_setparam")
def sys_sched_setparam(task: LinuxTask, pid: int, parameter: int) -> int:
    """sched_setparam(2)."""
    if s32(pid) < 0 or not parameter:
        raise fail(errno.EINVAL)
    return _set(task, pid, None, parameter)


@syscall("sched_rr_get_interval")
def sys_sched_rr_get_interval(task: LinuxTask, pid: int, address: int) -> int:
    """sched_rr_get_interval(2): 100 ms for SCHED_RR, 0 for SCHED_FIFO, a tick for the others."""
    target = _target(task, pid)
    policy = _NORMAL if target is None else target.sched_policy
    nanoseconds = {_RR: 100_000_000, _FIFO: 0}.get(policy, 4_000_000)
    task.process.memory.write(address, struct.pack("<qq", 0, nanoseconds))
    return 0


# --- struct sched_attr ------------------------------------------------------------------------------


@syscall("sched_getattr")
def sys_sched_getattr(task: LinuxTask, pid: int, address: int, size: int, flags: int) -> int:
    """sched_getattr(2)."""
    room = size & 0xFFFF_FFFF
    if flags & 0xFFFF_FFFF or not _ATTR_OLDEST <= room <= PAGE or not address:
        raise fail(errno.EINVAL)
    target = _target(task, pid)
    policy = _NORMAL if target is None else target.sched_policy
    priority = 0 if target is None else target.sched_priority
    times = (0, 0, 0) if target is None else target.sched_deadline
    nice = 0 if policy in (_FIFO, _RR, _DEADLINE) else find(task, s32(pid)).nice
    used = min(room, _ATTR.size)
    raw = _ATTR.pack(used, policy, 0, nice, priority, *times, 0, 1024)
    task.process.memory.write(address, raw[:used])
    return 0


@syscall("sched_setattr")
def sys_sched_setattr(task: LinuxTask, pid: int, address: int, flags: int) -> int:
    """sched_setattr(2); limits of utilization are refused as by a kernel without them."""
    if not address or s32(pid) < 0 or flags & 0xFFFF_FFFF:
        raise fail(errno.EINVAL)
    raw = _read_attr(task, address)
    _, policy, wanted, nice, priority, *times, _, _ = _ATTR.unpack(raw)
    if s32(policy) < 0:
        raise fail(errno.EINVAL)
    target = _target(task, pid)
    kept = task if target is None else target
    if wanted & _KEEP_POLICY:
        policy = kept.sched_policy
    if wanted & _KEEP_PARAMS:
        nice, priority, times = find(task, s32(pid)).nice, kept.sched_priority, list(kept.sched_deadline)
    if wanted & ~_FLAGS or policy == 7:
        raise fail(errno.EINVAL)
    if policy == _DEADLINE:
        times = _checked_times(task, *times)
    _check_static(task, policy, s32(priority))
    if wanted & _UTIL_CLAMP:
        raise fail(errno.EOPNOTSUPP)
    if wanted & _KEEP_PARAMS:  # which keeps the policy, too
        return 0
    if policy in (_NORMAL, _BATCH, _IDLE):
        _set_nice(task, pid, nice)
    if target is not None:
        target.sched_policy, target.sched_priority = policy, priority
        target.sched_deadline = (times[0], times[1], times[2]) if policy == _DEADLINE else (0, 0, 0)
    return 0


def _read_attr(task: LinuxTask, address: int) -> bytes:
    """struct sched_attr at *address*, of any size that has nothing we do not know (sched_copy_attr)."""
    memory = task.process.memory
    size = memory.read_u32(address) or _ATTR_OLDEST
    raw = memory.read(address, size) if _ATTR_OLDEST <= size <= PAGE else b""
    if not raw or any(raw[_ATTR.size :]):
        memory.write_u32(address, _ATTR.size)
        raise fail(errno.E2BIG)
    return raw[: _ATTR.size].ljust(_ATTR.size, b"\0")


def _checked_times(task: LinuxTask, runtime: int, deadline: int, period: int) -> list[int]:
    """As __checkparam_dl asks for, and not more than 95 percent of the processor."""
    longest = period or deadline
    if max(deadline, longest) >> 63 or not 1024 <= runtime <= deadline <= longest:
        raise fail(errno.EINVAL)
    if not _SHORTEST <= longest <= _LONGEST:
        raise fail(errno.EINVAL)
    if not identity(task).can(_CAP_SYS_NICE):
        raise fail(errno.EPERM)
    if runtime * 100 > longest * 95:
        raise fail(errno.EBUSY)
    return [runtime, deadline, longest]


def _set_nice(task: LinuxTask, pid: int, nice: int) -> None:
    entry, wanted = find(task, s32(pid)), max(-20, min(19, nice))
    if wanted < entry.nice and not identity(task).can(_CAP_SYS_NICE):
        raise fail(errno.EPERM)
    entry.nice = wanted
