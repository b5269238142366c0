"""Metadata of files: stat, statx, access, readlink, statfs (fs/stat.c, fs/open.c, fs/statfs.c)."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.nodes import HostNode, Node, VLink, VNode
from uprobe_linux.fs.public import check_node
from uprobe_linux.fs.stat_pack import Status, of_node, pack_stat, pack_statx, virtual_statfs
from uprobe_linux.syscalls.support import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    base_node,
    descriptor_node,
    fail,
    files,
    fs,
    identity,
    lookup_at,
    path_at,
)
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.file_times import FileTimes
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

AT_NO_AUTOMOUNT = 0x800
AT_EACCESS = 0x200
AT_STATX_SYNC = 0x6000
STATX_RESERVED = 0x8000_0000
_STATFS_BYTES = 120


def _now(task: LinuxTask) -> int:
    clock: int = task.machine.clock.realtime()
    return clock


def _dated(task: LinuxTask, status: Status) -> Status:
    """*status* with times of the guest's clock where the file changed during the run."""
    times: FileTimes | None = task.machine.file_times
    return status if times is None else times.dated(status, _now(task))


@syscall("newfstatat")
def sys_newfstatat(task: LinuxTask, dirfd: int, path: int, address: int, flags: int) -> int:
    """newfstatat(2)."""
    flags &= 0xFFFF_FFFF
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC):
        raise fail(errno.EINVAL)
    name = path_at(task, path)
    if not name and flags & AT_EMPTY_PATH and s32(dirfd) != AT_FDCWD:
        return sys_fstat(task, dirfd, address)
    node = _named(task, dirfd, name, flags)
    try:
        packed = pack_stat(_dated(task, of_node(node, _now(task))))
    finally:
        node.close()
    task.process.memory.write(address, packed)
    return 0


def _named(task: LinuxTask, dirfd: int, name: str, flags: int) -> Node:
    if not name and flags & AT_EMPTY_PATH:
        return descriptor_node(task, dirfd)
    follow = not flags & AT_SYMLINK_NOFOLLOW
    return fs(task).resolver.lookup(base_node(task, dirfd, name), name, follow=follow)


@syscall("fstat")
def sys_fstat(task: LinuxTask, fd: int, address: int) -> int:
    """fstat(2); works on O_PATH descriptors."""
    entry = files(task).get(s32(fd))
    task.process.memory.write(address, pack_stat(_dated(task, entry.file.status(entry.host, _now(task)))))
    return 0


@syscall("statx")
def sys_statx(task: LinuxTask, dirfd: int, path: int, flags: int, mask: int, address: int) -> int:
    """statx(2): the host's own answer where the file is the host's, birth time and attributes included."""
    flags, mask = flags & 0xFFFF_FFFF, mask & 0xFFFF_FFFF
    known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC
    if mask & STATX_RESERVED or flags & ~known or flags & AT_STATX_SYNC == AT_STATX_SYNC:
        raise fail(errno.EINVAL)
    name = path_at(task, path) if path else ""
    if not path and not flags & AT_EMPTY_PATH:
        task.process.memory.read(path, 1)
    node = _named(task, dirfd, name, flags)
    try:
        packed = _statx_of(task, node, mask, None if name else s32(dirfd))
    finally:
        node.close()
    task.process.memory.write(address, packed)
    return 0


def _statx_of(task: LinuxTask, node: Node, mask: int, fd: int | None) -> bytes | bytearray:
    if fd is not None and fd != AT_FDCWD:
        entry = files(task).get(fd)
        if entry.file.kind != "file":
            return pack_statx(_dated(task, entry.file.status(entry.host, _now(task))))
    if isinstance(node, HostNode) and hostcalls.have("statx"):
        raw = hostcalls.statx(node.fd, b"", AT_EMPTY_PATH, mask)
        raw[0:4] = (int.from_bytes(raw[0:4], "little") & 0x1FFF).to_bytes(4, "little")
        if task.machine.file_times is not None:
            task.machine.file_times.date_statx(raw, _now(task))
        return raw
    return pack_statx(_dated(task, of_node(node, _now(task))))


# --- access ----------------------------------------------------------------------------------------


@syscall("faccessat")
def sys_faccessat(task: LinuxTask, dirfd: int, path: int, mode: int) -> int:
    """faccessat(2)."""
    return _access(task, dirfd, path, mode, 0)


@syscall("faccessat2")
def sys_faccessat2(task: LinuxTask, dirfd: int, path: int, mode: int, flags: int) -> int:
    """faccessat2(2)."""
    if flags & 0xFFFF_FFFF & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise fail(errno.EINVAL)
    return _access(task, dirfd, path, mode, flags)


def _access(task: LinuxTask, dirfd: int, path: int, mode: int, flags: int) -> int:
    mode &= 0xFFFF_FFFF
    if mode & ~7:
        raise fail(errno.EINVAL)
    node = lookup_at(task, dirfd, path, flags, follow=not flags & AT_SYMLINK_NOFOLLOW)
    try:
        if isinstance(node, HostNode):
            _check_host_access(node, mode)
        else:
            _check_virtual_access(task, node, mode)
    finally:
        node.close()
    return 0


def _check_host_access(node: HostNode, mode: int) -> None:
    check_node(node, mode & ~os.W_OK)
    if mode and not os.access(node.magic, mode):
        raise fail(errno.EROFS if os.fstatvfs(node.fd).f_flag & 1 and mode == os.W_OK else errno.EACCES)
    if (
        mode & os.W_OK
        and node.read_only
        and stat.S_IFMT(node.stat().st_mode)
        in (
            stat.S_IFREG,
            stat.S_IFDIR,
            stat.S_IFLNK,
        )
    ):
        raise fail(errno.EROFS)


def _check_virtual_access(task: LinuxTask, node: VNode, mode: int) -> None:
    """Root may read and write anything, and execute what has any x bit (fs/namei.c generic_permission)."""
    if identity(task).fsuid == 0:
        if mode & os.X_OK and not node.mode & 0o111 and not node.is_dir:
            raise fail(errno.EACCES)
        return
    granted = node.mode >> (6 if node.uid == identity(task).fsuid else 0) & 7
    if mode & ~granted:
        raise fail(errno.EACCES)


# --- links and file systems ---------------------------------------------------------------------------


@syscall("readlinkat")
def sys_readlinkat(task: LinuxTask, dirfd: int, path: int, address: int, size: int) -> int:
    """readlinkat(2): the text is cut to *size* and gets no NUL; "" is the O_PATH descriptor itself."""
    if s32(size) <= 0:
        raise fail(errno.EINVAL)
    name = path_at(task, path)
    if not name:
        if s32(dirfd) == AT_FDCWD:
            raise fail(errno.ENOENT)
        node = descriptor_node(task, dirfd)
    else:
        node = fs(task).resolver.lookup(base_node(task, dirfd, name), name, follow=False)
    try:
        text = _link_text(node, empty=not name)
    finally:
        node.close()
    raw = os.fsencode(text)[: s32(size)]
    task.process.memory.write(address, raw)
    return len(raw)


def _link_text(node: Node, *, empty: bool) -> str:
    if isinstance(node, VLink):
        return node.target()
    if isinstance(node, HostNode) and stat.S_ISLNK(node.stat().st_mode):
        return os.readlink("", dir_fd=node.fd)
    raise fail(errno.ENOENT if empty else errno.EINVAL)


@syscall("statfs")
def sys_statfs(task: LinuxTask, path: int, address: int) -> int:
    """statfs(2)."""
    node = lookup_at(task, AT_FDCWD & (1 << 64) - 1, path, 0, follow=True)
    try:
        raw = _statfs(node)
    finally:
        node.close()
    task.process.memory.write(address, raw)
    return 0


@syscall("fstatfs")
def sys_fstatfs(task: LinuxTask, fd: int, address: int) -> int:
    """fstatfs(2)."""
    entry = files(task).get(s32(fd))
    task.process.memory.write(address, _statfs(entry.file.node(entry.host)))
    return 0


def _statfs(node: Node) -> bytes:
    """struct statfs is the same on every 64-bit architecture; a read-only place says so."""
    if not isinstance(node, HostNode):
        return virtual_statfs(node.path)
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    hostcalls.call("fstatfs", node.fd, buffer)
    raw = bytearray(buffer.raw)
    if node.read_only:
        raw[80] |= 1  # ST_RDONLY in f_flags
    return bytes(raw)
