"""Calls that change the machine or its namespaces: refused as to a process without the privilege.

What is not here and not elsewhere is ENOSYS, as on a kernel built without it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from uprobe_linux.syscalls.support import fail, files
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM = (
    0x100,
    0x200,
    0x400,
    0x800,
    0x10000,
    0x40000,
)
CLONE_NEW = 0x7E02_0080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""


@syscall(
    "mount",
    "umount2",
    "pivot_root",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "vhangup",
    "quotactl",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "open_by_handle_at",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsmount",
    "fspick",
    "mount_setattr",
    "bpf",
    "perf_event_open",
    "fanotify_init",
    "userfaultfd",
    "ptrace",
)
def sys_refused(task: LinuxTask) -> int:
    """No capability of the guest reaches beyond the sandbox."""
    raise fail(errno.EPERM)


@syscall("name_to_handle_at")
def sys_name_to_handle_at(task: LinuxTask) -> int:
    """File handles would name host files past the sandbox."""
    raise fail(errno.EOPNOTSUPP)


@syscall("setns")
def sys_setns(task: LinuxTask, fd: int, kind: int) -> int:
    """setns(2): there is one namespace of each kind."""
    files(task).get(s32(fd))
    raise fail(errno.EPERM)


@syscall("unshare")
def sys_unshare(task: LinuxTask, flags: int) -> int:
    """unshare(2): new namespaces are EPERM; what only threads share cannot be unshared by a thread among
    others.
    """
    known = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
    if flags & ~(known | CLONE_NEW):
        raise fail(errno.EINVAL)
    if flags & CLONE_NEW:
        raise fail(errno.EPERM)
    alone = len(task.process.tasks) == 1
    if not alone and flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD):
        raise fail(errno.EINVAL)
    return 0
