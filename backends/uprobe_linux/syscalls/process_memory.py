"""process_vm_readv and process_vm_writev (mm/process_vm_access.c).

Memory of a process in another host process is out of reach: EPERM, as from a
kernel that does not let one process trace the other.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import PAGE
from uprobe_linux.syscalls.support import fail, iovecs
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.memory.address_space import AddressSpace
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

Pieces = list[tuple[int, int]]


@syscall("process_vm_readv")
def sys_process_vm_readv(
    task: LinuxTask, pid: int, local: int, locals_: int, remote: int, remotes: int, flags: int
) -> int:
    """process_vm_readv(2)."""
    mine, theirs, other = _sides(task, pid, (local, locals_), (remote, remotes), flags)
    return _copy(other, theirs, task.process.memory, mine)


@syscall("process_vm_writev")
def sys_process_vm_writev(
    task: LinuxTask, pid: int, local: int, locals_: int, remote: int, remotes: int, flags: int
) -> int:
    """process_vm_writev(2)."""
    mine, theirs, other = _sides(task, pid, (local, locals_), (remote, remotes), flags)
    return _copy(task.process.memory, mine, other, theirs)


def _sides(
    task: LinuxTask, pid: int, local: tuple[int, int], remote: tuple[int, int], flags: int
) -> tuple[Pieces, Pieces, AddressSpace]:
    """The buffers on our side, those on the other, and the other's memory."""
    if flags:
        raise fail(errno.EINVAL)
    mine, theirs = iovecs(task, *local), iovecs(task, *remote)
    number = s32(pid)
    for process in task.machine.family.local.values():
        if any(number in (process.pid, t.tid) for t in process.tasks):
            return mine, theirs, process.memory
    if sum(size for _, size in mine) and sum(size for _, size in theirs):
        raise fail(errno.ESRCH if task.machine.family.pids.get(number) is None else errno.EPERM)
    return [], [], task.process.memory


def _copy(source: AddressSpace, start: Pieces, target: AddressSpace, end: Pieces) -> int:
    """Copy until one side is used up or faults; bytes copied. MemoryFault if the first one faults."""
    done = 0
    for (here, size), there in _pairs(start, end):
        try:
            target.write(there, source.read(here, size))
        except MemoryFault:
            if done:
                return done
            raise
        done += size
    return done


def _pairs(start: Pieces, end: Pieces) -> list[tuple[tuple[int, int], int]]:
    """((source, size), target) pieces, none of which crosses a page on either side."""
    found: list[tuple[tuple[int, int], int]] = []
    left, right = [list(p) for p in start if p[1]], [list(p) for p in end if p[1]]
    while left and right:
        (a, room), (b, other) = left[0], right[0]
        size = min(room, other, PAGE - a % PAGE, PAGE - b % PAGE)
        found.append(((a, size), b))
        for side in (left, right):
            side[0][0] += size
            side[0][1] -= size
            if not side[0][1]:
                del side[0]
    return found
