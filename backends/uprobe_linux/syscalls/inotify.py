"""inotify (fs/notify/inotify): the host watches the file that the guest's path leads to."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.fs.descriptors import Stream
from uprobe_linux.fs.nodes import HostNode
from uprobe_linux.syscalls.support import AT_FDCWD, fail, files, lookup_at
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

IN_DONT_FOLLOW = 0x0200_0000
ALL_INOTIFY_BITS = 0xF700_EFFF
IN_BOTH_MASKS = 0x3000_0000
"""IN_MASK_ADD and IN_MASK_CREATE exclude each other (include/uapi/linux/inotify.h)."""
_CWD = AT_FDCWD & (1 << 64) - 1


class InotifyStream(Stream):
    """An inotify instance."""

    __slots__ = ()


@syscall("inotify_init1")
def sys_inotify_init1(task: LinuxTask, flags: int) -> int:
    """inotify_init1(2)."""
    flags &= 0xFFFF_FFFF
    if flags & ~(oflags.G_NONBLOCK | oflags.G_CLOEXEC):
        raise fail(errno.EINVAL)
    files(task).room_for_one()
    host = hostcalls.call("inotify_init1", oflags.to_host(oflags.G_CLOEXEC | oflags.G_NONBLOCK))
    file = InotifyStream(path="anon_inode:inotify")
    file.set_flags(host, flags & oflags.G_NONBLOCK)
    return files(task).install(file, host, cloexec=bool(flags & oflags.G_CLOEXEC))


def _instance(task: LinuxTask, fd: int) -> Descriptor:
    entry = files(task).usable(s32(fd))
    if not isinstance(entry.file, InotifyStream):
        raise fail(errno.EINVAL)
    return entry


@syscall("inotify_add_watch")
def sys_inotify_add_watch(task: LinuxTask, fd: int, path: int, mask: int) -> int:
    """inotify_add_watch(2); nodes of ours never change and are EACCES."""
    if not mask & ALL_INOTIFY_BITS or mask & IN_BOTH_MASKS == IN_BOTH_MASKS:
        raise fail(errno.EINVAL)
    entry = _instance(task, fd)
    node = lookup_at(task, _CWD, path, 0, follow=not mask & IN_DONT_FOLLOW)
    try:
        if not isinstance(node, HostNode):
            raise fail(errno.EACCES)
        wanted = mask & 0xFFFF_FFFF & ~IN_DONT_FOLLOW
        return hostcalls.call("inotify_add_watch", entry.host, node.magic.encode(), wanted)
    finally:
        node.close()


@syscall("inotify_rm_watch")
def sys_inotify_rm_watch(task: LinuxTask, fd: int, watch: int) -> int:
    """inotify_rm_watch(2)."""
    return hostcalls.call("inotify_rm_watch", _instance(task, fd).host, s32(watch))
