"""futex, futex_waitv and the robust list calls.

Facts: kernel/futex/syscalls.c, waitwake.c, requeue.c, pi.c; futex(2).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.scheduling.futex import MATCH_ANY, FutexKey, Waiter
from uprobe_linux.syscalls.support import fail, timespec
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI = 0, 1, 3, 4, 5, 6, 7, 8
WAIT_BITSET, WAKE_BITSET, WAIT_REQUEUE_PI, CMP_REQUEUE_PI, LOCK_PI2 = 9, 10, 11, 12, 13
PRIVATE, CLOCK_REALTIME = 128, 256
WAITERS, OWNER_DIED, TID_MASK = 0x8000_0000, 0x4000_0000, 0x3FFF_FFFF
WAITV_MAX = 128
FUTEX2_SIZE_U32, FUTEX2_PRIVATE = 2, 128


@syscall("futex")
def sys_futex(task: LinuxTask, uaddr: int, op: int, val: int, timeout: int, uaddr2: int, val3: int) -> int:
    """futex(2)."""
    command = op & ~(PRIVATE | CLOCK_REALTIME) & 0xFFFF_FFFF
    value, mask = val & 0xFFFF_FFFF, val3 & 0xFFFF_FFFF
    if command in (WAIT, WAIT_BITSET):
        bitset = MATCH_ANY if command == WAIT else mask
        return _wait(task, uaddr, value, bitset, _deadline(task, op, command, timeout))
    if command in (WAKE, WAKE_BITSET):
        return _wake(task, uaddr, s32(val), MATCH_ANY if command == WAKE else mask)
    if command in (REQUEUE, CMP_REQUEUE):
        expected = mask if command == CMP_REQUEUE else None
        return _requeue(task, uaddr, s32(val), s32(timeout), uaddr2, expected)
    if command == WAKE_OP:
        return _wake_op(task, uaddr, s32(val), s32(timeout), uaddr2, mask)
    if command in (LOCK_PI, LOCK_PI2, TRYLOCK_PI):
        deadline = None if command == TRYLOCK_PI else _deadline(task, op, command, timeout)
        return _lock_pi(task, uaddr, deadline, trying=command == TRYLOCK_PI)
    if command == UNLOCK_PI:
        return _unlock_pi(task, uaddr)
    if command == WAIT_REQUEUE_PI:
        return _wait_requeue_pi(task, uaddr, value, _deadline(task, op, command, timeout), uaddr2)
    if command == CMP_REQUEUE_PI:
        return _cmp_requeue_pi(task, uaddr, s32(val), s32(timeout), uaddr2, mask)
    raise fail(errno.ENOSYS)


def _deadline(task: LinuxTask, op: int, command: int, timeout: int) -> int | None:
    """The monotonic clock time at which the call gives up, None: never.  WAIT's time-out is relative."""
    if task.wait is not None:
        return task.wait.deadline
    if not timeout:
        return None
    length, clock = timespec(task, timeout), task.machine.clock
    if command == WAIT:
        return clock.monotonic() + length
    if op & CLOCK_REALTIME or command == LOCK_PI:
        return length - clock.realtime() + clock.monotonic()
    return length


def _key(task: LinuxTask, address: int) -> FutexKey:
    if address & 3:
        raise fail(errno.EINVAL)
    return task.machine.family.futex_key(task, address)


def _wait(task: LinuxTask, uaddr: int, value: int, bitset: int, deadline: int | None) -> int:
    if not bitset:
        raise fail(errno.EINVAL)
    if task.wait is not None:
        return _wait_again(task, task.wait)
    key, futexes = _key(task, uaddr), task.machine.family.futexes
    with futexes.guard(key):
        if task.process.memory.read_u32(uaddr) != value:
            raise fail(errno.EAGAIN)
        waiter = futexes.add(key, task.tid, bitset)
    # A call with a time-out is never restarted by SA_RESTART (signal(7)).
    raise Block(Wait(deadline=deadline, data=waiter, interrupted=None if deadline is None else -errno.EINTR))


def _wait_again(task: LinuxTask, wait: Wait) -> int:
    waiter: Waiter = wait.data
    if not waiter.woken and not wait.timed_out:
        raise Block(wait)
    woken = waiter.woken
    task.machine.family.futexes.remove(waiter)
    if woken:
        return 0
    raise fail(errno.ETIMEDOUT)


def _wake(task: LinuxTask, uaddr: int, count: int, bitset: int) -> int:
    if not bitset:
        raise fail(errno.EINVAL)
    woken = task.machine.family.futexes.wake(_key(task, uaddr), max(count, 1), bitset)
    task.machine.scheduler.collect_futexes()
    return woken


def _requeue(task: LinuxTask, uaddr: int, wake: int, move: int, uaddr2: int, expected: int | None) -> int:
    if wake < 0 or move < 0:
        raise fail(errno.EINVAL)
    source, target = _key(task, uaddr), _key(task, uaddr2)
    if expected is not None and task.process.memory.read_u32(uaddr) != expected:
        raise fail(errno.EAGAIN)
    futexes = task.machine.family.futexes
    done = futexes.wake(source, wake) if wake else 0
    moved = futexes.move(source, target, move)
    task.machine.scheduler.collect_futexes()
    return done + (moved if expected is not None else 0)


_OPERATIONS: dict[int, Callable[[int, int], int]] = {
    0: lambda _old, arg: arg,
    1: lambda old, arg: old + arg,
    2: lambda old, arg: old | arg,
    3: lambda old, arg: old & ~arg,
    4: lambda old, arg: old ^ arg,
}
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    0: lambda old, arg: old == arg,
    1: lambda old, arg: old != arg,
    2: lambda old, arg: old < arg,
    3: lambda old, arg: old <= arg,
    4: lambda old, arg: old > arg,
    5: lambda old, arg: old >= arg,
}


def _wake_op(task: LinuxTask, uaddr: int, wake: int, wake2: int, uaddr2: int, encoded: int) -> int:
    operation, comparison = encoded >> 28 & 15, encoded >> 24 & 15
    argument, against = _signed12(encoded >> 12), _signed12(encoded)
    if operation & 8:
        argument = 1 << (argument & 31)
    if operation & 7 not in _OPERATIONS or comparison not in _COMPARISONS:
        raise fail(errno.ENOSYS)
    key, key2, memory = _key(task, uaddr), _key(task, uaddr2), task.process.memory
    old = memory.read_u32(uaddr2)
    memory.write_u32(uaddr2, _OPERATIONS[operation & 7](s32(old), argument))
    futexes = task.machine.family.futexes
    woken = futexes.wake(key, max(wake, 1))
    if _COMPARISONS[comparison](s32(old), against):
        woken += futexes.wake(key2, max(wake2, 1))
    task.machine.scheduler.collect_futexes()
    return woken


def _signed12(value: int) -> int:
    return ((value & 0xFFF) ^ 0x800) - 0x800


# --- priority inheritance (without priorities: ownership and hand-over) ------------------------------


def _lock_pi(task: LinuxTask, uaddr: int, deadline: int | None, *, trying: bool) -> int:
    key, family, memory = _key(task, uaddr), task.machine.family, task.process.memory
    if task.wait is not None:
        return _wait_again(task, task.wait)
    value = memory.read_u32(uaddr)
    owner = value & TID_MASK
    if owner == task.tid:
        raise fail(errno.EDEADLK)
    if not owner and not family.futexes.waiting(key):
        memory.write_u32(uaddr, value & OWNER_DIED | task.tid)
        return 0
    if trying:
        raise fail(errno.EAGAIN)
    if owner and not value & OWNER_DIED and not _thread_exists(task, owner):
        raise fail(errno.ESRCH)
    memory.write_u32(uaddr, value | WAITERS)
    raise Block(Wait(deadline=deadline, data=family.futexes.add(key, task.tid)))


def _thread_exists(task: LinuxTask, tid: int) -> bool:
    family = task.machine.family
    here = any(t.tid == tid and not t.exited for p in family.local.values() for t in p.tasks)
    return here or bool(family.others())


def _unlock_pi(task: LinuxTask, uaddr: int) -> int:
    if task.process.memory.read_u32(uaddr) & TID_MASK != task.tid:
        raise fail(errno.EPERM)
    _hand_over(task, uaddr, _key(task, uaddr))
    return 0


def _hand_over(task: LinuxTask, uaddr: int, key: FutexKey) -> None:
    """Give the lock to the first waiter, or free it."""
    futexes, memory = task.machine.family.futexes, task.process.memory
    heir = futexes.first_owner(key)
    if heir is None:
        memory.write_u32(uaddr, 0)
        return
    more = WAITERS if futexes.waiting(key) > 1 else 0
    memory.write_u32(uaddr, heir | more)
    futexes.wake(key, 1)
    task.machine.scheduler.collect_futexes()


def _wait_requeue_pi(task: LinuxTask, uaddr: int, value: int, deadline: int | None, uaddr2: int) -> int:
    """Wait at *uaddr*; whoever wakes us has made us the owner of the lock at *uaddr2*."""
    if uaddr == uaddr2:
        raise fail(errno.EINVAL)
    return _wait(task, uaddr, value, MATCH_ANY, deadline)


def _cmp_requeue_pi(task: LinuxTask, uaddr: int, wake: int, move: int, uaddr2: int, expected: int) -> int:
    if wake != 1:
        raise fail(errno.EINVAL)
    source, target = _key(task, uaddr), _key(task, uaddr2)
    memory, futexes = task.process.memory, task.machine.family.futexes
    if memory.read_u32(uaddr) != expected:
        raise fail(errno.EAGAIN)
    moved = futexes.move(source, target, 1 + move)
    if not moved:
        return 0
    if memory.read_u32(uaddr2) & TID_MASK:
        memory.write_u32(uaddr2, memory.read_u32(uaddr2) | WAITERS)
    else:
        _hand_over(task, uaddr2, target)
    return moved


# --- futex_waitv and robust lists ----------------------------------------------------------------


@syscall("futex_waitv")
def sys_futex_waitv(task: LinuxTask, waiters: int, count: int, flags: int, timeout: int, clock: int) -> int:
    """futex_waitv(2): the index of a futex that was woken."""
    if flags or not 1 <= count <= WAITV_MAX or not waiters or (timeout and s32(clock) not in (0, 1)):
        raise fail(errno.EINVAL)
    if task.wait is not None:
        return _waitv_again(task, task.wait)
    op = CLOCK_REALTIME if s32(clock) == 0 else 0
    deadline = _deadline(task, op, WAIT_BITSET, timeout)
    rows = [struct.unpack("<QQII", task.process.memory.read(waiters + 24 * i, 24)) for i in range(count)]
    queued: list[Waiter] = []
    try:
        for value, address, kind, reserved in rows:
            if reserved or kind & ~FUTEX2_PRIVATE != FUTEX2_SIZE_U32:
                raise fail(errno.EINVAL)
            queued.append(_queue_if(task, address, value & 0xFFFF_FFFF))
    except BaseException:
        for waiter in queued:
            task.machine.family.futexes.remove(waiter)
        raise
    raise Block(Wait(deadline=deadline, data=queued, interrupted=None if deadline is None else -errno.EINTR))


def _queue_if(task: LinuxTask, address: int, value: int) -> Waiter:
    key, futexes = _key(task, address), task.machine.family.futexes
    with futexes.guard(key):
        if task.process.memory.read_u32(address) != value:
            raise fail(errno.EAGAIN)
        return futexes.add(key, task.tid)


def _waitv_again(task: LinuxTask, wait: Wait) -> int:
    waiters: list[Waiter] = wait.data
    woken = [index for index, waiter in enumerate(waiters) if waiter.woken]
    if not woken and not wait.timed_out:
        raise Block(wait)
    for waiter in waiters:
        task.machine.family.futexes.remove(waiter)
    if woken:
        return woken[-1]
    raise fail(errno.ETIMEDOUT)


@syscall("set_robust_list")
def sys_set_robust_list(task: LinuxTask, head: int, size: int) -> int:
    """set_robust_list(2)."""
    if size != 24:
        raise fail(errno.EINVAL)
    task.robust_list = head
    return 0


@syscall("get_robust_list")
def sys_get_robust_list(task: LinuxTask, tid: int, head: int, size: int) -> int:
    """get_robust_list(2), for threads of this process."""
    wanted = s32(tid) or task.tid
    found = next((t for t in task.process.tasks if t.tid == wanted and not t.exited), None)
    if found is None:
        raise fail(errno.EPERM if task.machine.family.pids.get(wanted) else errno.ESRCH)
    task.process.memory.write_u64(size, 24)
    task.process.memory.write_u64(head, found.robust_list)
    return 0


# --- the calls of Linux 6.7: one operation each ------------------------------------------------------


def _check_futex2(flags: int) -> None:
    if flags & 0xFFFF_FFFF & ~(FUTEX2_PRIVATE | FUTEX2_SIZE_U32) or flags & 3 != FUTEX2_SIZE_U32:
        raise fail(errno.EINVAL)


@syscall("futex_wake")
def sys_futex_wake(task: LinuxTask, uaddr: int, mask: int, count: int, flags: int) -> int:
    """futex_wake(2)."""
    _check_futex2(flags)
    return _wake(task, uaddr, s32(count), mask & 0xFFFF_FFFF) if s32(count) else 0


@syscall("futex_wait")
def sys_futex_wait(
    task: LinuxTask, uaddr: int, value: int, mask: int, flags: int, timeout: int, clock: int
) -> int:
    """futex_wait(2); its time-out is absolute."""
    _check_futex2(flags)
    if timeout and s32(clock) not in (0, 1):
        raise fail(errno.EINVAL)
    op = CLOCK_REALTIME if s32(clock) == 0 else 0
    deadline = _deadline(task, op, WAIT_BITSET, timeout)
    return _wait(task, uaddr, value & 0xFFFF_FFFF, mask & 0xFFFF_FFFF, deadline)


@syscall("futex_requeue")
def sys_futex_requeue(task: LinuxTask, waiters: int, flags: int, wake: int, move: int) -> int:
    """futex_requeue(2): two waitv entries, from where (and which value) and to where."""
    if flags & 0xFFFF_FFFF:
        raise fail(errno.EINVAL)
    value, source, kind, _, _, target, kind2, _ = struct.unpack(
        "<QQIIQQII", task.process.memory.read(waiters, 48)
    )
    _check_futex2(kind)
    _check_futex2(kind2)
    return _requeue(task, source, s32(wake), s32(move), target, value & 0xFFFF_FFFF)
