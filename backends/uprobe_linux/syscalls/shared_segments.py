"""System V shared memory: each segment is a file in the machine's private folder, mapped shared.

Facts: ipc/shm.c; shmget(2), shmop(2), shmctl(2).
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.types import FileId
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.ipc.state import IpcState, Segment
from uprobe_linux.memory.address_space import TASK_SIZE, page_up
from uprobe_linux.memory.file_image import HostFile, MappedFile
from uprobe_linux.syscalls.messages import (
    IPC_INFO,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    pack_perm,
    store,
    with_key,
)
from uprobe_linux.syscalls.size_limits import memory_may_grow
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.memory.vma import Vma
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = 11, 12, 13, 14, 15
SHM_HUGETLB, SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC = 0o4000, 0o10000, 0o20000, 0o40000, 0o100000
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
SHMMAX = SHMALL = (1 << 64) - 1 - (1 << 24)
SHMMNI = 4096


@dataclass(frozen=True, slots=True)
class SegmentFile(MappedFile):
    """The file behind an attached segment.

    :param segment: its id
    :param attached: where this attachment began
    """

    segment: int = -1
    attached: int = 0


@syscall("shmget")
def sys_shmget(task: LinuxTask, key: int, size: int, flags: int) -> int:
    """shmget(2)."""
    wanted, mode = s32(key), s32(flags)
    with store(task).change() as state:
        found = with_key(state.segments, wanted, mode)
        if found is not None:
            if size > state.segments[found].size:
                raise fail(errno.EINVAL)
            return found
        return _create(task, state, wanted, size, mode)


def _create(task: LinuxTask, state: IpcState, key: int, size: int, mode: int) -> int:
    if not 0 < size <= SHMMAX:
        raise fail(errno.EINVAL)
    if mode & SHM_HUGETLB or size > task.machine.arena.size:
        raise fail(errno.ENOMEM)
    if len(state.segments) >= SHMMNI:
        raise fail(errno.ENOSPC)
    number = state.next_segment
    fd = os.open(store(task).segment_path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, page_up(size))
    finally:
        os.close(fd)
    state.next_segment += 1
    uid, pid = task.machine.family.entry(task.process).uid, task.process.pid
    state.segments[number] = Segment(key, mode & 0o777, uid, uid, _now(task), size, creator=pid)
    return number


def _now(task: LinuxTask) -> int:
    seconds: int = task.machine.clock.realtime() // 10**9
    return seconds


def _segment(state: IpcState, number: int) -> Segment:
    if number < 0 or number not in state.segments:
        raise fail(errno.EINVAL)
    return state.segments[number]


# --- attaching -----------------------------------------------------------------------------------


@syscall("shmat")
def sys_shmat(task: LinuxTask, number: int, address: int, flags: int) -> int:
    """shmat(2)."""
    mode = s32(flags)
    with store(task).change() as state:
        segment = _segment(state, s32(number))
        size = page_up(segment.size)
        start = _place(task, address, size, mode)
        if not memory_may_grow(task, size, data=False):
            raise fail(errno.ENOMEM)
        _map(task, s32(number), segment, start, mode)
        segment.attached_at, segment.last_pid = _now(task), task.process.pid
        _count(task, state)
    return start


def _place(task: LinuxTask, address: int, size: int, mode: int) -> int:
    """Where the segment goes; it replaces mappings with SHM_REMAP only (do_shmat)."""
    memory = task.process.memory
    if mode & SHM_RND:
        address &= -PAGE
    if address % PAGE or (not address and mode & SHM_REMAP):
        raise fail(errno.EINVAL)
    if not address:
        found: int = memory.find_gap(size)
        return found
    end = address + size
    if end > TASK_SIZE or (not mode & SHM_REMAP and not memory.vmas.is_free(address, end)):
        raise fail(errno.EINVAL)
    return address


def _map(task: LinuxTask, number: int, segment: Segment, start: int, mode: int) -> None:
    fd = os.open(store(task).segment_path(number), os.O_RDWR | os.O_CLOEXEC)
    try:
        status, host = os.fstat(fd), HostFile(fd)
    finally:
        os.close(fd)
    perms = Perm.READ if mode & SHM_RDONLY else Perm.READ | Perm.WRITE
    if mode & SHM_EXEC:
        perms |= Perm.EXEC
    identity = FileId(status.st_dev, status.st_ino)
    path = f"/SYSV{segment.key & 0xFFFF_FFFF:08x} (deleted)"
    file = SegmentFile(identity, path, host, not mode & SHM_RDONLY, segment=number, attached=start)
    task.process.memory.map(start, page_up(segment.size), perms, shared=True, file=file, host=host)
    task.machine.scheduler.attend()


@syscall("shmdt")
def sys_shmdt(task: LinuxTask, address: int) -> int:
    """shmdt(2): all that is left of the attachment that begins at *address*."""
    found = [(vma, file) for vma, file in _attachments(task) if vma.start - vma.offset == address]
    if address % PAGE or not found:
        raise fail(errno.EINVAL)
    first = found[0][1]
    for vma, file in found:
        if file.segment == first.segment:
            task.process.memory.unmap(vma.start, vma.end - vma.start)
    with store(task).change() as state:
        segment = state.segments.get(first.segment)
        if segment is not None:
            segment.detached_at, segment.last_pid = _now(task), task.process.pid
        _count(task, state)
    return 0


def _attachments(task: LinuxTask) -> list[tuple[Vma, SegmentFile]]:
    return [(vma, vma.file) for vma in task.process.memory.vmas if isinstance(vma.file, SegmentFile)]


def _count(task: LinuxTask, state: IpcState) -> None:
    """Write down what this process has attached; mappings may have gone by munmap since the last time."""
    counts: dict[int, set[int]] = {}
    for _, file in _attachments(task):
        counts.setdefault(file.segment, set()).add(file.attached)
    store(task).attach(state, task.process.pid, {number: len(places) for number, places in counts.items()})


# --- control -------------------------------------------------------------------------------------


@syscall("shmctl")
def sys_shmctl(task: LinuxTask, number: int, command: int, buffer: int) -> int:
    """shmctl(2)."""
    what, memory = s32(command), task.process.memory
    with store(task).change() as state:
        _count(task, state)
    with store(task).change() as state:
        if what in (IPC_INFO, SHM_INFO):
            memory.write(buffer, _info(state, what))
            return max(state.segments, default=0)
        segment = _segment(state, s32(number))
        if what == IPC_RMID:
            segment.key, segment.removed = IPC_PRIVATE, True
            store(task).sweep(state)
        elif what in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
            memory.write(buffer, _pack(segment, state.attachments(s32(number))))
            return s32(number) if what != IPC_STAT else 0
        elif what == IPC_SET:
            _, segment.uid, segment.gid, _, _, mode = struct.unpack("<iIIIII", memory.read(buffer, 24))
            segment.mode, segment.changed = mode & 0o777, _now(task)
        elif what in (SHM_LOCK, SHM_UNLOCK):
            segment.locked = what == SHM_LOCK
        else:
            raise fail(errno.EINVAL)
    return 0


def _info(state: IpcState, what: int) -> bytes:
    """struct shminfo64 or struct shm_info."""
    if what == IPC_INFO:
        return struct.pack("<5Q4Q", SHMMAX, 1, SHMMNI, SHMMNI, SHMALL, 0, 0, 0, 0)
    pages = sum(page_up(segment.size) // PAGE for segment in state.segments.values())
    return struct.pack("<i4x5Q", len(state.segments), pages, pages, 0, 0, 0)


def _pack(segment: Segment, attachments: int) -> bytes:
    """struct shmid64_ds of asm-generic."""
    mode = segment.mode | (SHM_DEST if segment.removed else 0) | (SHM_LOCKED if segment.locked else 0)
    times = segment.attached_at, segment.detached_at, segment.changed
    perm = pack_perm(segment.key, segment.uid, segment.gid, mode)
    return perm + struct.pack(
        "<Q3q2i3Q", segment.size, *times, segment.creator, segment.last_pid, attachments, 0, 0
    )
