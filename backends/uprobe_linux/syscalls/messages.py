"""System V message queues.

Facts: ipc/msg.c, ipc/util.c; msgget(2), msgop(2), msgctl(2).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from uprobe_linux.calls import Wait
from uprobe_linux.ipc.state import IpcState, MessageQueue
from uprobe_linux.ipc.store import IpcFullError, IpcStore
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import Block, s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = (
    "IPC_INFO",
    "IPC_NOWAIT",
    "IPC_RMID",
    "IPC_SET",
    "IPC_STAT",
    "POLL_NS",
    "pack_perm",
    "store",
    "with_key",
)

IPC_PRIVATE, IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0, 0o1000, 0o2000, 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO, MSG_STAT, MSG_INFO, MSG_STAT_ANY = 0, 1, 2, 3, 11, 12, 13
MSG_NOERROR, MSG_EXCEPT, MSG_COPY = 0o10000, 0o20000, 0o40000
MSGMAX, QUEUES_MAX = 8192, 1024
POLL_NS = 1_000_000
"""How often a sleeper looks again: another host process may have changed the queue."""


def store(task: LinuxTask) -> IpcStore:
    """The machine's System V objects."""
    kept: IpcStore = task.machine.family.ipc
    return kept


def look_again(task: LinuxTask) -> Block:
    """Sleep a little and make the call again; a handler's run answers EINTR."""
    return Block(Wait(deadline=task.machine.clock.monotonic() + POLL_NS, interrupted=-errno.EINTR))


class _Keyed(Protocol):
    @property
    def key(self) -> int: ...


def with_key(objects: Mapping[int, _Keyed], key: int, mode: int) -> int | None:
    """The number of the object with *key*, None if one is to be made; OSError(EEXIST, ENOENT) as *mode* says.

    What msgget, semget and shmget have in common: ipc/util.c (ipcget).
    """
    if key == IPC_PRIVATE:
        return None
    found = next((number for number, thing in objects.items() if thing.key == key), None)
    if found is None and not mode & IPC_CREAT:
        raise fail(errno.ENOENT)
    if found is not None and mode & IPC_CREAT and mode & IPC_EXCL:
        raise fail(errno.EEXIST)
    return found


@syscall("msgget")
def sys_msgget(task: LinuxTask, key: int, flags: int) -> int:
    """msgget(2)."""
    wanted, mode = s32(key), s32(flags)
    with store(task).change() as state:
        found = with_key(state.queues, wanted, mode)
        if found is not None:
            return found
        if len(state.queues) >= QUEUES_MAX:
            raise fail(errno.ENOSPC)
        number = state.next_id
        state.next_id += 1
        entry = task.machine.family.entry(task.process)
        now = task.machine.clock.realtime() // 10**9
        state.queues[number] = MessageQueue(wanted, mode & 0o777, entry.uid, entry.uid, now)
        return number


def _queue(state: IpcState, number: int) -> MessageQueue:
    if number < 0 or number not in state.queues:
        raise fail(errno.EINVAL)
    return state.queues[number]


@syscall("msgsnd")
def sys_msgsnd(task: LinuxTask, number: int, message: int, size: int, flags: int) -> int:
    """msgsnd(2)."""
    if size > MSGMAX or s32(number) < 0:
        raise fail(errno.EINVAL)
    memory = task.process.memory
    kind = s64(memory.read_u64(message))
    if kind < 1:
        raise fail(errno.EINVAL)
    data = memory.read(message + 8, size)
    try:
        with store(task).change() as state:
            queue = _queue_or_removed(task, state, s32(number))
            if sum(len(m) for _, m in queue.messages) + size > queue.limit:
                if flags & IPC_NOWAIT:
                    raise fail(errno.EAGAIN)
                raise look_again(task)
            queue.messages.append((kind, data))
            queue.sent, queue.sender = task.machine.clock.realtime() // 10**9, task.process.pid
    except IpcFullError:
        raise (fail(errno.EAGAIN) if flags & IPC_NOWAIT else look_again(task)) from None
    return 0


def _queue_or_removed(task: LinuxTask, state: IpcState, number: int) -> MessageQueue:
    """The queue; EIDRM if it went away while this call slept."""
    if task.wait is not None and number not in state.queues:
        raise fail(errno.EIDRM)
    return _queue(state, number)


@syscall("msgrcv")
def sys_msgrcv(task: LinuxTask, number: int, message: int, size: int, kind: int, flags: int) -> int:
    """msgrcv(2)."""
    if s32(number) < 0 or s64(size) < 0:
        raise fail(errno.EINVAL)
    mode = s32(flags)
    if mode & MSG_COPY:
        raise fail(errno.ENOSYS if mode & IPC_NOWAIT and not mode & MSG_EXCEPT else errno.EINVAL)
    with store(task).change() as state:
        queue = _queue_or_removed(task, state, s32(number))
        index = _choose(queue.messages, s64(kind), bool(mode & MSG_EXCEPT))
        if index is None:
            if mode & IPC_NOWAIT:
                raise fail(errno.ENOMSG)
            raise look_again(task)
        found, data = queue.messages[index]
        if len(data) > size and not mode & MSG_NOERROR:
            raise fail(errno.E2BIG)
        del queue.messages[index]
        queue.received, queue.receiver = task.machine.clock.realtime() // 10**9, task.process.pid
    data = data[:size]
    task.process.memory.write(message, found.to_bytes(8, "little") + data)
    return len(data)


def _choose(messages: list[tuple[int, bytes]], kind: int, other: bool) -> int | None:
    """Index of the message that msgrcv's type argument means."""
    if kind == 0:
        return 0 if messages else None
    if kind > 0:
        return next((i for i, (found, _) in enumerate(messages) if (found == kind) != other), None)
    low = min((found for found, _ in messages if found <= -kind), default=None)
    return None if low is None else next(i for i, (found, _) in enumerate(messages) if found == low)


def pack_perm(key: int, uid: int, gid: int, mode: int) -> bytes:
    """A struct ipc64_perm (48 bytes)."""
    return struct.pack("<iIIIIIHH4xQQ", key, uid, gid, uid, gid, mode, 0, 0, 0, 0)


@syscall("msgctl")
def sys_msgctl(task: LinuxTask, number: int, command: int, buffer: int) -> int:
    """msgctl(2)."""
    what, memory = s32(command), task.process.memory
    with store(task).change() as state:
        if what in (IPC_INFO, MSG_INFO):
            total = sum(len(q.messages) for q in state.queues.values())
            pool, messages = (len(state.queues), total) if what == MSG_INFO else (0, 0)
            memory.write(buffer, struct.pack("<7iHxx", pool, messages, MSGMAX, 16384, 32000, 16, messages, 0))
            return max(state.queues, default=0)
        queue = _queue(state, s32(number))
        if what == IPC_RMID:
            del state.queues[s32(number)]
        elif what in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
            memory.write(buffer, _pack_queue(queue))
            return s32(number) if what != IPC_STAT else 0
        elif what == IPC_SET:
            _set(task, queue, memory.read(buffer, 120))
        else:
            raise fail(errno.EINVAL)
    return 0


def _pack_queue(queue: MessageQueue) -> bytes:
    size = sum(len(data) for _, data in queue.messages)
    times = queue.sent, queue.received, queue.changed
    numbers = size, len(queue.messages), queue.limit, queue.sender, queue.receiver, 0, 0
    return pack_perm(queue.key, queue.uid, queue.gid, queue.mode) + struct.pack("<3q3Qii2Q", *times, *numbers)


def _set(task: LinuxTask, queue: MessageQueue, data: bytes) -> None:
    _, uid, gid, _, _, mode = struct.unpack_from("<iIIIII", data)
    (limit,) = struct.unpack_from("<Q", data, 88)
    if limit > 16384 and identity(task).euid:
        raise fail(errno.EPERM)
    queue.uid, queue.gid, queue.mode, queue.limit = uid, gid, mode & 0o777, limit
    queue.changed = task.machine.clock.realtime() // 10**9
