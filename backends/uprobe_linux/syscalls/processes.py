"""Identity of processes, groups and sessions, and their priority.

Facts: kernel/sys.c (setpgid, setsid, setpriority); credentials(7), setpgid(2).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from uprobe_linux.shared.pids import State
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.shared.pids import ProcessEntry

PRIO_PROCESS, PRIO_PGRP, PRIO_USER = 0, 1, 2


def entry_of(task: LinuxTask) -> ProcessEntry:
    """The process table's entry of the caller."""
    entry: ProcessEntry = task.machine.family.entry(task.process)
    return entry


def find(task: LinuxTask, pid: int) -> ProcessEntry:
    """The process *pid*, the caller's for 0 and for ids of its own threads; OSError(ESRCH)."""
    family = task.machine.family
    if pid == 0 or any(t.tid == pid for t in task.process.tasks):
        return entry_of(task)
    entry: ProcessEntry | None = family.pids.get(pid)
    if entry is None:
        raise fail(errno.ESRCH)
    return entry


@syscall("getpid")
def sys_getpid(task: LinuxTask) -> int:
    """getpid(2)."""
    return task.process.pid


@syscall("getppid")
def sys_getppid(task: LinuxTask) -> int:
    """getppid(2)."""
    return entry_of(task).ppid


@syscall("getpgid")
def sys_getpgid(task: LinuxTask, pid: int) -> int:
    """getpgid(2)."""
    return find(task, s32(pid)).pgid


@syscall("getsid")
def sys_getsid(task: LinuxTask, pid: int) -> int:
    """getsid(2)."""
    return find(task, s32(pid)).sid


@syscall("setpgid")
def sys_setpgid(task: LinuxTask, pid: int, pgid: int) -> int:
    """setpgid(2)."""
    group = s32(pgid)
    if group < 0:
        raise fail(errno.EINVAL)
    mine, target = entry_of(task), find(task, s32(pid))
    _check_setpgid(mine, target)
    group = group or target.pid
    if group != target.pid:
        members = [m for m in task.machine.family.pids.group(group) if m.sid == mine.sid]
        if not members:
            raise fail(errno.EPERM)
    target.pgid = group
    return 0


def _check_setpgid(mine: ProcessEntry, target: ProcessEntry) -> None:
    if target.pid != mine.pid:
        if target.ppid != mine.pid:
            raise fail(errno.ESRCH)
        if target.sid != mine.sid:
            raise fail(errno.EPERM)
        if target.executed:
            raise fail(errno.EACCES)
    if target.sid == target.pid:
        raise fail(errno.EPERM)


@syscall("setsid")
def sys_setsid(task: LinuxTask) -> int:
    """setsid(2)."""
    mine = entry_of(task)
    if task.machine.family.pids.group(mine.pid):
        raise fail(errno.EPERM)
    mine.sid = mine.pgid = mine.pid
    mine.session_kept = 0
    return mine.pid


def _of_priority(task: LinuxTask, which: int, who: int) -> list[ProcessEntry]:
    pids, mine = task.machine.family.pids, entry_of(task)
    if s32(which) == PRIO_PROCESS:
        found = [find(task, s32(who))]
    elif s32(which) == PRIO_PGRP:
        found = pids.group(s32(who) or mine.pgid)
    elif s32(which) == PRIO_USER:
        found = [entry for entry in pids if entry.uid == (s32(who) or mine.uid)]
    else:
        raise fail(errno.EINVAL)
    found = [entry for entry in found if entry.state != State.ZOMBIE]
    if not found:
        raise fail(errno.ESRCH)
    return found


@syscall("getpriority")
def sys_getpriority(task: LinuxTask, which: int, who: int) -> int:
    """getpriority(2): 20 - nice, the highest of all that match."""
    return 20 - min(entry.nice for entry in _of_priority(task, which, who))


@syscall("setpriority")
def sys_setpriority(task: LinuxTask, which: int, who: int, nice: int) -> int:
    """setpriority(2); it is remembered and shown, and schedules nobody."""
    wanted = max(-20, min(19, s32(nice)))
    for entry in _of_priority(task, which, who):
        if wanted < entry.nice and identity(task).euid:
            raise fail(errno.EACCES)
        entry.nice = wanted
    return 0
