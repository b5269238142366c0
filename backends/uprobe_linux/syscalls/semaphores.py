"""System V semaphores.

Facts: ipc/sem.c; semget(2), semop(2), semctl(2).
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.ipc.state import IpcState, SemaphoreSet
from uprobe_linux.ipc.store import SEMVMX, IpcFullError
from uprobe_linux.syscalls.messages import (
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    POLL_NS,
    look_again,
    pack_perm,
    store,
    with_key,
)
from uprobe_linux.syscalls.support import fail, timespec
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = 11, 12, 13, 14, 15, 16, 17
IPC_INFO, SEM_STAT, SEM_INFO, SEM_STAT_ANY = 3, 18, 19, 20
SEM_UNDO = 0x1000
SEMMSL, SEMOPM, SETS_MAX = 32000, 500, 512


@syscall("semget")
def sys_semget(task: LinuxTask, key: int, count: int, flags: int) -> int:
    """semget(2)."""
    wanted, number, mode = s32(key), s32(count), s32(flags)
    if not 0 <= number <= SEMMSL:
        raise fail(errno.EINVAL)
    with store(task).change() as state:
        found = with_key(state.semaphores, wanted, mode)
        if found is not None:
            if number > len(state.semaphores[found].values):
                raise fail(errno.EINVAL)
            return found
        return _create(task, state, wanted, number, mode)


def _create(task: LinuxTask, state: IpcState, key: int, count: int, mode: int) -> int:
    if not count:
        raise fail(errno.EINVAL)
    if len(state.semaphores) >= SETS_MAX:
        raise fail(errno.ENOSPC)
    number = state.next_id
    state.next_id += 1
    uid = task.machine.family.entry(task.process).uid
    now = task.machine.clock.realtime() // 10**9
    state.semaphores[number] = SemaphoreSet(key, mode & 0o777, uid, uid, now, [0] * count, [0] * count)
    return number


@syscall("semop")
def sys_semop(task: LinuxTask, number: int, operations: int, count: int) -> int:
    """semop(2)."""
    return _operate(task, s32(number), operations, count, None)


@syscall("semtimedop")
def sys_semtimedop(task: LinuxTask, number: int, operations: int, count: int, timeout: int) -> int:
    """semtimedop(2)."""
    limit = timespec(task, timeout) if timeout else None
    return _operate(task, s32(number), operations, count, limit)


def _operate(task: LinuxTask, number: int, address: int, count: int, timeout: int | None) -> int:
    if count < 1 or number < 0:
        raise fail(errno.EINVAL)
    if count > SEMOPM:
        raise fail(errno.E2BIG)
    operations = list(struct.iter_unpack("<Hhh", task.process.memory.read(address, 6 * count)))
    now = task.machine.clock.monotonic()
    give_up = task.wait.data if task.wait is not None else None if timeout is None else now + timeout
    try:
        with store(task).change() as state:
            semaphores = _set_or_removed(task, state, number)
            stuck = _apply(task, state, number, semaphores, operations)
            if stuck is None:
                semaphores.operated = task.machine.clock.realtime() // 10**9
                return 0
            if stuck & IPC_NOWAIT or (give_up is not None and now >= give_up):
                raise fail(errno.EAGAIN)
            raise Block(Wait(deadline=now + POLL_NS, data=give_up, interrupted=-errno.EINTR))
    except IpcFullError:
        raise look_again(task) from None


def _set_or_removed(task: LinuxTask, state: IpcState, number: int) -> SemaphoreSet:
    if number not in state.semaphores:
        raise fail(errno.EIDRM if task.wait is not None else errno.EINVAL)
    return state.semaphores[number]


def _apply(
    task: LinuxTask,
    state: IpcState,
    number: int,
    semaphores: SemaphoreSet,
    operations: list[tuple[int, int, int]],
) -> int | None:
    """All or nothing: None when done, else the flags of the operation that has to wait."""
    values = list(semaphores.values)
    for index, change, flags in operations:
        if index >= len(values):
            raise fail(errno.EFBIG)
        if (change == 0 and values[index]) or values[index] + change < 0:
            return flags
        values[index] += change
        if values[index] > SEMVMX:
            raise fail(errno.ERANGE)
    pid = task.process.pid
    for index, change, flags in operations:
        semaphores.pids[index] = pid
        if flags & SEM_UNDO and change:
            at = (pid, number, index)
            state.undo[at] = state.undo.get(at, 0) - change
    semaphores.values = values
    return None


@syscall("semctl")
def sys_semctl(task: LinuxTask, number: int, index: int, command: int, argument: int) -> int:
    """semctl(2)."""
    what, at = s32(command), s32(index)
    with store(task).change() as state:
        if what in (IPC_INFO, SEM_INFO):
            return _info(task, state, what, argument)
        if s32(number) not in state.semaphores:
            raise fail(errno.EINVAL)
        semaphores = state.semaphores[s32(number)]
        if what == IPC_RMID:
            del state.semaphores[s32(number)]
            state.undo = {key: value for key, value in state.undo.items() if key[1] != s32(number)}
            return 0
        if what in (IPC_STAT, SEM_STAT, SEM_STAT_ANY):
            task.process.memory.write(argument, _pack(semaphores))
            return s32(number) if what != IPC_STAT else 0
        if what == IPC_SET:
            _, uid, gid, _, _, mode = struct.unpack("<iIIIII", task.process.memory.read(argument, 24))
            semaphores.uid, semaphores.gid, semaphores.mode = uid, gid, mode & 0o777
            return 0
        return _values(task, state, s32(number), at, what, argument)


def _info(task: LinuxTask, state: IpcState, what: int, argument: int) -> int:
    used = len(state.semaphores) if what == SEM_INFO else 128
    total = sum(len(s.values) for s in state.semaphores.values()) if what == SEM_INFO else SEMVMX
    numbers = 1024000000, 32000, 1024000000, 1024000000, SEMMSL, SEMOPM, SEMMSL, used, SEMVMX, total
    task.process.memory.write(argument, struct.pack("<10i", *numbers))
    return max(state.semaphores, default=0)


def _values(task: LinuxTask, state: IpcState, number: int, at: int, what: int, argument: int) -> int:
    semaphores, memory = state.semaphores[number], task.process.memory
    count = len(semaphores.values)
    if what == GETALL:
        memory.write(argument, struct.pack(f"<{count}H", *semaphores.values))
        return 0
    if what == SETALL:
        values = list(struct.unpack(f"<{count}H", memory.read(argument, 2 * count)))
        if max(values) > SEMVMX:
            raise fail(errno.ERANGE)
        semaphores.values = values
        semaphores.changed = task.machine.clock.realtime() // 10**9
        return 0
    if what not in (GETPID, GETVAL, GETNCNT, GETZCNT, SETVAL) or not 0 <= at < count:
        raise fail(errno.EINVAL)
    if what == SETVAL:
        if not 0 <= s32(argument) <= SEMVMX:
            raise fail(errno.ERANGE)
        semaphores.values[at], semaphores.pids[at] = s32(argument), task.process.pid
        semaphores.changed = task.machine.clock.realtime() // 10**9
        return 0
    return {GETPID: semaphores.pids[at], GETVAL: semaphores.values[at]}.get(what, 0)


def _pack(semaphores: SemaphoreSet) -> bytes:
    """struct semid64_ds of asm-generic."""
    perm = pack_perm(semaphores.key, semaphores.uid, semaphores.gid, semaphores.mode)
    return perm + struct.pack("<qqQQQ", semaphores.operated, semaphores.changed, len(semaphores.values), 0, 0)
