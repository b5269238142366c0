"""Changing metadata and sizes: modes, owners, times, lengths, extended attributes."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.fs.nodes import HostNode, Node, VDevice
from uprobe_linux.fs.set_ids import given_mode, lose_bits
from uprobe_linux.syscalls.size_limits import check_growth, check_new_size, take_memory
from uprobe_linux.syscalls.support import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    descriptor_node,
    fail,
    files,
    host_node,
    lookup_at,
)
from uprobe_linux.syscalls.table import s32, s64, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

_CWD = AT_FDCWD & (1 << 64) - 1
UTIME_NOW, UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE
XATTR_NAME_MAX, XATTR_SIZE_MAX = 255, 65536


@contextmanager
def _found(task: LinuxTask, dirfd: int, path: int, flags: int) -> Iterator[Node]:
    """What (dirfd, path) names."""
    node = lookup_at(task, dirfd, path, flags, follow=not flags & AT_SYMLINK_NOFOLLOW)
    try:
        yield node
    finally:
        node.close()


@contextmanager
def _target(task: LinuxTask, dirfd: int, path: int, flags: int) -> Iterator[HostNode]:
    """What (dirfd, path) names, if it may be changed."""
    with _found(task, dirfd, path, flags) as node:
        yield host_node(node, writing=True)


def _open_target(task: LinuxTask, fd: int) -> Node:
    entry = files(task).usable(s32(fd))
    return entry.file.node(entry.host)


# --- mode and owner ----------------------------------------------------------------------------------


def _set_mode(node: Node, mode: int) -> None:
    """Of a terminal of the run's own it is noted, of what else is ours EPERM."""
    if isinstance(node, VDevice) and node.change is not None:
        node.change(mode & 0o7777, node.uid, node.gid)
        return
    real = host_node(node, writing=True)
    if stat.S_ISLNK(real.stat().st_mode):
        raise fail(errno.EOPNOTSUPP)
    os.chmod(real.magic, given_mode(mode, real.stat().st_mode))


def _set_owner(node: Node, user: int, group: int) -> None:
    """The same for the owner, whom only root changes."""
    if isinstance(node, VDevice) and node.change is not None:
        wanted = tuple(old if new == -1 else new for new, old in ((user, node.uid), (group, node.gid)))
        if wanted != (node.uid, node.gid) and os.geteuid():
            raise fail(errno.EPERM)
        node.change(node.mode & 0o7777, *wanted)
        return
    real = host_node(node, writing=True)
    hostcalls.call("fchownat", real.fd, b"", user, group, AT_EMPTY_PATH)


@syscall("fchmodat")
def sys_fchmodat(task: LinuxTask, dirfd: int, path: int, mode: int) -> int:
    """fchmodat(2), which has no flags in the kernel."""
    with _found(task, dirfd, path, 0) as node:
        _set_mode(node, mode)
    return 0


@syscall("fchmodat2")
def sys_fchmodat2(task: LinuxTask, dirfd: int, path: int, mode: int, flags: int) -> int:
    """fchmodat2(2): a link's own mode cannot be changed."""
    if flags & 0xFFFF_FFFF & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise fail(errno.EINVAL)
    with _found(task, dirfd, path, flags) as node:
        _set_mode(node, mode)
    return 0


@syscall("fchmod")
def sys_fchmod(task: LinuxTask, fd: int, mode: int) -> int:
    """fchmod(2)."""
    node = _open_target(task, fd)
    if not isinstance(node, HostNode):
        _set_mode(node, mode)
        return 0
    node = host_node(node, writing=True)
    os.fchmod(node.fd, given_mode(mode, node.stat().st_mode))
    return 0


def _owner(value: int) -> int:
    return -1 if value & 0xFFFF_FFFF == 0xFFFF_FFFF else value & 0xFFFF_FFFF


@syscall("fchownat")
def sys_fchownat(task: LinuxTask, dirfd: int, path: int, user: int, group: int, flags: int) -> int:
    """fchownat(2)."""
    if flags & 0xFFFF_FFFF & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise fail(errno.EINVAL)
    with _found(task, dirfd, path, flags) as node:
        _set_owner(node, _owner(user), _owner(group))
    return 0


@syscall("fchown")
def sys_fchown(task: LinuxTask, fd: int, user: int, group: int) -> int:
    """fchown(2)."""
    node = _open_target(task, fd)
    if not isinstance(node, HostNode):
        _set_owner(node, _owner(user), _owner(group))
        return 0
    node = host_node(node, writing=True)
    os.fchown(node.fd, _owner(user), _owner(group))
    return 0


# --- times ---------------------------------------------------------------------------------------------


@syscall("utimensat")
def sys_utimensat(task: LinuxTask, dirfd: int, path: int, times: int, flags: int) -> int:
    """utimensat(2); without a path it is futimens(3)."""
    flags &= 0xFFFF_FFFF
    wanted = _times(task, times)
    if wanted is None:
        return 0
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) or (not path and flags):
        raise fail(errno.EINVAL)
    if not path:
        if s32(dirfd) == AT_FDCWD:
            raise fail(errno.EFAULT)
        _set_times(host_node(descriptor_node(task, dirfd), writing=True), wanted)
        return 0
    with _target(task, dirfd, path, flags) as node:
        _set_times(node, wanted)
    return 0


def _times(task: LinuxTask, address: int) -> bytes | None:
    """Two struct timespec for the host, None if both are to stay.

    "Now" is the host's, as for every other change to a file: times of files are
    comparable with each other, whatever clock the guest has.
    """
    if not address:
        return struct.pack("<qqqq", 0, UTIME_NOW, 0, UTIME_NOW)
    raw = task.process.memory.read(address, 32)
    parts = struct.unpack("<qqqq", raw)
    return None if parts[1] == UTIME_OMIT == parts[3] else raw


def _set_times(node: HostNode, times: bytes) -> None:
    """Store them; the host refuses nanoseconds that are none with EINVAL."""
    if stat.S_ISLNK(node.stat().st_mode):
        # An O_PATH descriptor of a link: the kernel takes it with AT_EMPTY_PATH only (since 5.8).
        hostcalls.call("utimensat", node.fd, b"", times, AT_EMPTY_PATH)
    else:
        hostcalls.call("utimensat", hostcalls.AT_FDCWD, node.magic.encode(), times, 0)


# --- size -----------------------------------------------------------------------------------------------


@syscall("truncate")
def sys_truncate(task: LinuxTask, path: int, length: int) -> int:
    """truncate(2)."""
    if s64(length) < 0:
        raise fail(errno.EINVAL)
    node = lookup_at(task, _CWD, path, 0, follow=True)
    try:
        if not isinstance(node, HostNode):
            raise fail(errno.EISDIR if node.is_dir else errno.EINVAL)
        status = node.stat()
        kind = stat.S_IFMT(status.st_mode)
        if kind != stat.S_IFREG:
            raise fail(errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL)
        if s64(length) > status.st_size:
            check_new_size(task, s64(length))
        magic = host_node(node, writing=True).magic
        lose_bits(magic, status.st_mode)
        os.truncate(magic, s64(length))
        task.machine.family.truncated()
    finally:
        node.close()
    return 0


@syscall("ftruncate")
def sys_ftruncate(task: LinuxTask, fd: int, length: int) -> int:
    """ftruncate(2)."""
    if s64(length) < 0:
        raise fail(errno.EINVAL)
    entry = files(task).usable(s32(fd))
    if entry.file.kind != "file" or entry.file.flags(entry.host) & oflags.G_ACCMODE == oflags.G_RDONLY:
        raise fail(errno.EINVAL)
    check_growth(task, entry, s64(length))
    os.ftruncate(entry.host, s64(length))
    task.machine.family.truncated()
    return 0


_MODES = 0x7B
"""All modes but NO_HIDE_STALE, which shows what a disk held before."""
_TAKES_NOTHING = 2 | 8
"""FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE (include/uapi/linux/falloc.h)."""


@syscall("fallocate")
def sys_fallocate(task: LinuxTask, fd: int, mode: int, offset: int, length: int) -> int:
    """fallocate(2); which of the known modes a file knows is the host file system's business."""
    entry = files(task).usable(s32(fd))
    if s64(offset) < 0 or s64(length) <= 0:
        raise fail(errno.EINVAL)
    if mode & 0xFFFF_FFFF & ~_MODES:
        raise fail(errno.EOPNOTSUPP)
    if entry.file.kind == "virtual":
        raise fail(errno.ENODEV)
    check_growth(task, entry, s64(offset) + s64(length))
    if not mode & _TAKES_NOTHING:
        take_memory(task, entry, s64(length))
    hostcalls.call("fallocate", entry.host, mode & 0xFFFF_FFFF, s64(offset), s64(length))
    return 0


# --- extended attributes ------------------------------------------------------------------------------------


def _attribute_name(task: LinuxTask, address: int) -> str:
    try:
        raw = task.process.memory.read_cstr(address, XATTR_NAME_MAX + 1)
    except OSError:
        raise fail(errno.ERANGE) from None
    if not raw:
        raise fail(errno.ERANGE)
    return os.fsdecode(raw)


@contextmanager
def _attributed(task: LinuxTask, where: int, kind: str, *, writing: bool = False) -> Iterator[HostNode]:
    """The file of an xattr call: *kind* is "" (path), "l" (path, links not followed) or "f" (descriptor)."""
    node = _open_target(task, where) if kind == "f" else lookup_at(task, _CWD, where, 0, follow=kind == "")
    try:
        if not isinstance(node, HostNode):
            raise fail(_virtual_xattr_error(node.path, writing=writing))
        if stat.S_ISLNK(node.stat().st_mode):
            raise fail(errno.EPERM if writing else errno.ENODATA)
        yield host_node(node, writing=writing)
    finally:
        node.close()


def _virtual_xattr_error(path: str, *, writing: bool) -> int:
    """procfs has no attributes at all; a device on a tmpfs only has none (xattr_permission)."""
    if path.startswith("/proc"):
        return errno.EOPNOTSUPP
    return errno.EPERM if writing else errno.ENODATA


_HIDDEN = "trusted."
_RIGHTS = ("security.", _HIDDEN)
"""How the names of attributes begin that give rights, or that only a host's administrator sees."""


def _listed(node: HostNode) -> list[str]:
    return [name for name in os.listxattr(node.magic) if not name.startswith(_HIDDEN)]


def _check_attribute(name: str) -> None:
    """EPERM for what an ordinary user's process may not set, whoever runs this one."""
    if name.startswith(_RIGHTS):
        raise fail(errno.EPERM)


def _store(task: LinuxTask, value: bytes, address: int, size: int) -> int:
    """The usual answer: the length when *size* is 0, ERANGE when it is too small."""
    if size:
        if size < len(value):
            raise fail(errno.ERANGE)
        task.process.memory.write(address, value)
    return len(value)


def _register(kind: str) -> None:
    """The four calls for one way of naming the file."""

    @syscall(f"{kind}getxattr")
    def get(task: LinuxTask, where: int, name: int, address: int, size: int) -> int:
        """getxattr(2)."""
        attribute = _attribute_name(task, name)
        if attribute.startswith(_HIDDEN):
            raise fail(errno.ENODATA)
        with _attributed(task, where, kind) as node:
            return _store(task, os.getxattr(node.magic, attribute), address, size)

    @syscall(f"{kind}listxattr")
    def names(task: LinuxTask, where: int, address: int, size: int) -> int:
        """listxattr(2)."""
        try:
            with _attributed(task, where, kind) as node:
                value = b"".join(os.fsencode(n) + b"\0" for n in _listed(node))
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
                raise
            value = b""
        return _store(task, value, address, size)

    @syscall(f"{kind}setxattr")
    def put(task: LinuxTask, where: int, name: int, address: int, size: int, flags: int) -> int:
        """setxattr(2)."""
        if flags & 0xFFFF_FFFF & ~3:
            raise fail(errno.EINVAL)
        attribute = _attribute_name(task, name)
        _check_attribute(attribute)
        if size > XATTR_SIZE_MAX:
            raise fail(errno.E2BIG)
        value = task.process.memory.read(address, size)
        with _attributed(task, where, kind, writing=True) as node:
            os.setxattr(node.magic, attribute, value, flags & 3)
        return 0

    @syscall(f"{kind}removexattr")
    def remove(task: LinuxTask, where: int, name: int) -> int:
        """removexattr(2)."""
        attribute = _attribute_name(task, name)
        _check_attribute(attribute)
        with _attributed(task, where, kind, writing=True) as node:
            os.removexattr(node.magic, attribute)
        return 0


for _kind in ("", "l", "f"):
    _register(_kind)
