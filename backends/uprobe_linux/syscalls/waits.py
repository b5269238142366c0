"""wait4 and waitid.

Facts: kernel/exit.c (wait_consider_task, eligible_child, wait_task_zombie); wait(2).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.shared.pids import State
from uprobe_linux.signals.numbers import (
    CLD_CONTINUED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    Sig,
)
from uprobe_linux.syscalls.pidfds import pid_of
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.shared.pids import ProcessEntry

WNOHANG, WSTOPPED, WEXITED, WCONTINUED, WNOWAIT = 1, 2, 4, 8, 0x0100_0000
_WNOTHREAD, _WALL, _WCLONE = 0x2000_0000, 0x4000_0000, 0x8000_0000
P_ALL, P_PID, P_PGID, P_PIDFD = 0, 1, 2, 3

Found = tuple[int, int, int, int]
"""pid, uid, si_code, wait status"""


@syscall("wait4")
def sys_wait4(task: LinuxTask, pid: int, status: int, options: int, usage: int) -> int:
    """wait4(2)."""
    flags, wanted = options & 0xFFFF_FFFF, s32(pid)
    if flags & ~(WNOHANG | WSTOPPED | WCONTINUED | _WNOTHREAD | _WALL | _WCLONE):
        raise fail(errno.EINVAL)
    if wanted == -(1 << 31):
        raise fail(errno.ESRCH)
    found, spent = _wait(task, _matcher(task, wanted), flags | WEXITED)
    if found is None:
        return 0
    if status:
        task.process.memory.write_u32(status, found[3])
    if usage:
        task.process.memory.write(usage, pack_usage(spent))
    return found[0]


def _matcher(task: LinuxTask, pid: int) -> Callable[[ProcessEntry], bool]:
    if pid > 0:
        return lambda child: child.pid == pid
    if pid == -1:
        return lambda child: child.pid > 0
    group = -pid if pid else task.machine.family.entry(task.process).pgid
    return lambda child: child.pgid == group


@syscall("waitid")
def sys_waitid(task: LinuxTask, kind: int, number: int, info: int, options: int, usage: int) -> int:
    """waitid(2)."""
    flags = options & 0xFFFF_FFFF
    known = WNOHANG | WSTOPPED | WEXITED | WCONTINUED | WNOWAIT | _WNOTHREAD | _WALL | _WCLONE
    if flags & ~known or not flags & (WEXITED | WSTOPPED | WCONTINUED):
        raise fail(errno.EINVAL)
    found, spent = _wait(task, _id_matcher(task, s32(kind), s32(number)), flags)
    memory = task.process.memory
    if usage and found is not None:
        memory.write(usage, pack_usage(spent))
    if info:
        pid, uid, code, status = found or (0, 0, 0, 0)
        shown = status >> 8 & 0xFF if code in (CLD_EXITED, CLD_STOPPED) else status & 0x7F
        shown = Sig.CONT if code == CLD_CONTINUED else shown
        memory.write(info, struct.pack("<iii", Sig.CHLD if found else 0, 0, code))
        memory.write(info + 16, struct.pack("<iIi", pid, uid, shown))
    return 0


def _id_matcher(task: LinuxTask, kind: int, number: int) -> Callable[[ProcessEntry], bool]:
    if kind == P_ALL:
        return _matcher(task, -1)
    if kind == P_PIDFD:
        return _matcher(task, pid_of(task, number))
    if kind == P_PID and number > 0:
        return _matcher(task, number)
    if kind == P_PGID and number >= 0:
        return _matcher(task, -number)
    raise fail(errno.EINVAL)


def _wait(task: LinuxTask, matches: Callable[[ProcessEntry], bool], flags: int) -> tuple[Found | None, int]:
    """(the child that has news, its processor time in ns), None with WNOHANG; blocks, or OSError(ECHILD)."""
    family = task.machine.family
    family.hear(family.pids.children(task.process.pid))
    children = [c for c in family.pids.children(task.process.pid) if matches(c) and _is_eligible(c, flags)]
    if not children:
        raise fail(errno.ECHILD)
    for child in sorted(children, key=lambda c: c.pid):
        found = _news(child, flags)
        if found is not None:
            spent = child.user_ns + child.children_ns
            ended = found[2] in (CLD_EXITED, CLD_KILLED)
            if ended and not flags & WNOWAIT:
                _reap(task, child, spent)
            return found, spent
    if flags & WNOHANG:
        return None, 0
    raise Block(Wait(key=("children", task.process.pid)))


def _is_eligible(child: ProcessEntry, flags: int) -> bool:
    """__WCLONE waits for just the children that send no SIGCHLD, __WALL for them too."""
    return bool(flags & _WALL) or (child.exit_signal != Sig.CHLD) == bool(flags & _WCLONE)


def _news(child: ProcessEntry, flags: int) -> Found | None:
    """What is to be told of *child*; a continue that nobody has seen comes before its end."""
    found = _job_news(child, flags)
    if found is None and child.state == State.ZOMBIE and flags & WEXITED:
        status = child.wait_status
        return child.pid, child.uid, CLD_KILLED if status & 0x7F else CLD_EXITED, status
    return found


def _job_news(child: ProcessEntry, flags: int) -> Found | None:
    news = child.news
    if news > 0 and flags & WSTOPPED:
        found = child.pid, child.uid, CLD_STOPPED, news << 8 | 0x7F
    elif news < 0 and flags & WCONTINUED:
        found = child.pid, child.uid, CLD_CONTINUED, 0xFFFF
    else:
        return None
    if not flags & WNOWAIT:
        child.news = 0
    return found


def _reap(task: LinuxTask, child: ProcessEntry, spent: int) -> None:
    family = task.machine.family
    task.machine.clock.catch_up(child.clock)
    family.entry(task.process).children_ns += spent
    family.pids.free(child)


def pack_usage(nanoseconds: int) -> bytes:
    """A struct rusage with *nanoseconds* of user time and zeros."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return struct.pack("<18q", seconds, rest // 1000, *([0] * 16))
