"""Working directory, root and listings (fs/open.c, fs/readdir.c, fs/d_path.c)."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.cpu import Perm
from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.descriptors import VirtualDir
from uprobe_linux.fs.nodes import HostNode
from uprobe_linux.fs.paths import current_path
from uprobe_linux.fs.vdirents import pack_record
from uprobe_linux.syscalls.support import AT_FDCWD, fail, files, fs, identity, lookup_at
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

_CWD = AT_FDCWD & (1 << 64) - 1
CAP_SYS_CHROOT = 18
MAX_LISTING = 1 << 20
"""Bytes asked of the host at once, whatever the guest's buffer."""
SMALLEST_ENTRY = 24
"""Bytes of the record of "."; a smaller buffer is EINVAL before it is looked at."""
_END = 0x7FFF_FFFF_FFFF_0000
"""Listing positions from here on count the names that we add after the host's."""


@syscall("getcwd")
def sys_getcwd(task: LinuxTask, address: int, size: int) -> int:
    """getcwd(2): the length with its NUL; ERANGE if *size* is too small."""
    raw = os.fsencode(fs(task).working_directory()) + b"\0"
    if size < len(raw):
        raise fail(errno.ERANGE)
    task.process.memory.write(address, raw)
    return len(raw)


@syscall("chdir")
def sys_chdir(task: LinuxTask, path: int) -> int:
    """chdir(2)."""
    node = lookup_at(task, _CWD, path, 0, follow=True)
    fs(task).change_directory(node)
    _announce(task)
    return 0


@syscall("fchdir")
def sys_fchdir(task: LinuxTask, fd: int) -> int:
    """fchdir(2)."""
    entry = files(task).get(s32(fd))
    if not entry.file.is_dir:
        raise fail(errno.ENOTDIR)
    fs(task).change_directory(entry.file.node(entry.host))
    _announce(task)
    return 0


def _announce(task: LinuxTask) -> None:
    """Tell other host processes, if there are any, where this one works now (/proc/PID/cwd)."""
    task.machine.family.papers.renew(task.process, at_once=not task.machine.turns.several)


@syscall("chroot")
def sys_chroot(task: LinuxTask, path: int) -> int:
    """chroot(2), for whoever has CAP_SYS_CHROOT; the working directory stays where it is."""
    node = lookup_at(task, _CWD, path, 0, follow=True)
    try:
        is_dir = stat.S_ISDIR(node.stat().st_mode) if isinstance(node, HostNode) else node.is_dir
        if not is_dir:
            raise fail(errno.ENOTDIR)
        if not identity(task).can(CAP_SYS_CHROOT):
            raise fail(errno.EPERM)
        fs(task).change_root(current_path(node))
    finally:
        node.close()
    return 0


@syscall("getdents64")
def sys_getdents64(task: LinuxTask, fd: int, address: int, size: int) -> int:
    """getdents64(2): the host's records as they are, plus mount points that its folder lacks."""
    entry = files(task).usable(s32(fd))
    if not entry.file.is_dir:
        raise fail(errno.ENOTDIR)
    if s32(size) < 0:
        raise fail(errno.EINVAL)
    size = min(s32(size), MAX_LISTING)
    if size >= SMALLEST_ENTRY:
        task.process.memory.views(address, 1, Perm.WRITE)
    if isinstance(entry.file, VirtualDir):
        records = entry.file.entries(entry.host, size)
    else:
        records = _host_records(task, entry, size)
    task.process.memory.write(address, records)
    return len(records)


def _host_records(task: LinuxTask, entry: Descriptor, size: int) -> bytes:
    mounts = fs(task).mounts
    if entry.file.path not in mounts.ghosts:
        return hostcalls.getdents64(entry.host, size)
    position = os.lseek(entry.host, 0, os.SEEK_CUR)
    if position < _END:
        records = hostcalls.getdents64(entry.host, size)
        if records:
            return records
        position = _END
    return _added_records(task, entry, position - _END, size)


def _added_records(task: LinuxTask, entry: Descriptor, first: int, size: int) -> bytes:
    """Names of mount points right below the folder, which the host's folder does not have."""
    folder = entry.file.path
    out = b""
    names = fs(task).mounts.missing_children(folder, set(os.listdir(entry.host)))
    for number, name in enumerate(names[first:], first):
        record = pack_record(name, 0xF000_0000 + number, 4, _END + number + 1)
        if len(out) + len(record) > size:
            break
        out += record
        # Best effort: a host file system that takes no such position lists the names again.
        _remember(entry.host, _END + number + 1)
    return out


def _remember(host: int, position: int) -> None:
    try:
        os.lseek(host, position, os.SEEK_SET)
    except OSError:
        return
