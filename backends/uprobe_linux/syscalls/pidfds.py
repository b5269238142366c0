"""pidfd_open, pidfd_send_signal, pidfd_getfd.

A guest's pidfd has the host's pidfd of the host process behind it, so that
poll sees a process end as on Linux.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from uprobe_linux.fs.descriptors import Stream
from uprobe_linux.signals.numbers import LAST_SIGNAL, SI_TKILL, SI_USER
from uprobe_linux.signals.sending import send_to_entry
from uprobe_linux.signals.siginfo import SIGINFO_BYTES, SigInfo
from uprobe_linux.syscalls.support import fail, files
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("open_pidfd", "pid_of")

PIDFD_NONBLOCK = 0o4000


class PidFile(Stream):
    """A pidfd; ``data`` is the guest pid."""

    kind = "pidfd"
    __slots__ = ()


def open_pidfd(task: LinuxTask, pid: int) -> int:
    """A close-on-exec descriptor for the process *pid*; OSError ESRCH, EMFILE."""
    entry = task.machine.family.pids.get(pid)
    if entry is None:
        raise fail(errno.ESRCH)
    host = os.pidfd_open(entry.host_pid)
    file = PidFile(path="anon_inode:[pidfd]")
    file.data = pid
    return files(task).install(file, host, cloexec=True)


def pid_of(task: LinuxTask, fd: int) -> int:
    """The guest pid that descriptor *fd* stands for; OSError(EBADF) for any other descriptor."""
    file = files(task).usable(fd).file
    if not isinstance(file, PidFile) or not isinstance(file.data, int):
        raise fail(errno.EBADF)
    return file.data


@syscall("pidfd_open")
def sys_pidfd_open(task: LinuxTask, pid: int, flags: int) -> int:
    """pidfd_open(2)."""
    if flags & 0xFFFF_FFFF & ~PIDFD_NONBLOCK or s32(pid) <= 0:
        raise fail(errno.EINVAL)
    return open_pidfd(task, s32(pid))


@syscall("pidfd_send_signal")
def sys_pidfd_send_signal(task: LinuxTask, fd: int, signo: int, info: int, flags: int) -> int:
    """pidfd_send_signal(2)."""
    if flags & 0xFFFF_FFFF:
        raise fail(errno.EINVAL)
    pid, number = _target(task, s32(fd)), s32(signo)
    if not 0 <= number <= LAST_SIGNAL:
        raise fail(errno.EINVAL)
    entry = _alive(task, pid)
    sent = _given(task, pid, number, info) if info else _own(task, number)
    if number:
        send_to_entry(task.machine, entry, sent)
    return 0


def _target(task: LinuxTask, fd: int) -> int:
    """A pidfd's process, or that of an open /proc/PID folder (which pidfd_send_signal takes as well)."""
    file = files(task).get(fd).file
    name = file.path.removeprefix("/proc/")
    if file.is_dir and file.path.startswith("/proc/") and name.isdigit():
        return int(name)
    return pid_of(task, fd)


def _alive(task: LinuxTask, pid: int) -> ProcessEntry:
    entry = task.machine.family.pids.get(pid)
    if entry is None:
        raise fail(errno.ESRCH)
    return entry


def _own(task: LinuxTask, signo: int) -> SigInfo:
    uid = task.machine.family.entry(task.process).uid
    return SigInfo.from_sender(signo, SI_USER, task.process.pid, uid)


def _given(task: LinuxTask, pid: int, signo: int, address: int) -> SigInfo:
    info = SigInfo.unpack(task.process.memory.read(address, SIGINFO_BYTES))
    if info.signo != signo:
        raise fail(errno.EINVAL)
    if pid != task.process.pid and (info.code >= 0 or info.code == SI_TKILL):
        raise fail(errno.EPERM)
    return info


@syscall("pidfd_getfd")
def sys_pidfd_getfd(task: LinuxTask, fd: int, wanted: int, flags: int) -> int:
    """pidfd_getfd(2), of this process itself; another's are out of reach (EPERM, as without ptrace)."""
    if flags & 0xFFFF_FFFF:
        raise fail(errno.EINVAL)
    pid = pid_of(task, s32(fd))
    if pid != task.process.pid:
        _alive(task, pid)
        raise fail(errno.EPERM)
    return files(task).dup(s32(wanted), cloexec=True)
