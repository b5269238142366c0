"""Making, removing and renaming directory entries (fs/namei.c)."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.nodes import NOWHERE, HostNode, Node
from uprobe_linux.fs.set_ids import new_mode
from uprobe_linux.syscalls.support import (
    AT_EMPTY_PATH,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    base_node,
    descriptor_node,
    fail,
    fs,
    parent_at,
    path_at,
)
from uprobe_linux.syscalls.table import syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4


def _exists(folder: Node, name: str) -> bool:
    if isinstance(folder, HostNode):
        try:
            os.lstat(name, dir_fd=folder.fd)
        except OSError:
            return False
        return True
    lookup = getattr(folder, "lookup", None)
    return lookup is not None and lookup(name) is not None


def _place_for_new(task: LinuxTask, folder: Node, name: str, *, directory: bool = False) -> HostNode:
    """The folder if *name* can be made in it; the errors in the kernel's order (filename_create)."""
    plain = name.rstrip("/")
    if plain in ("", ".", ".."):
        raise fail(errno.EEXIST)
    path = f"{folder.path.rstrip('/')}/{plain}"
    if path in fs(task).mounts.points or path in fs(task).mounts.ghosts or _exists(folder, plain):
        raise fail(errno.EEXIST)
    if plain != name and not directory:
        raise fail(errno.ENOENT)
    if not isinstance(folder, HostNode):
        raise fail(errno.ENOENT if folder.path.startswith("/proc") else errno.EROFS)
    if folder.read_only:
        raise fail(errno.EROFS)
    return folder


@syscall("mkdirat")
def sys_mkdirat(task: LinuxTask, dirfd: int, path: int, mode: int) -> int:
    """mkdirat(2)."""
    folder, name = parent_at(task, dirfd, path)
    try:
        place = _place_for_new(task, folder, name, directory=True)
        os.mkdir(name.rstrip("/"), mode & 0o7777, dir_fd=place.fd)
    finally:
        folder.close()
    return 0


@syscall("mknodat")
def sys_mknodat(task: LinuxTask, dirfd: int, path: int, mode: int, device: int) -> int:
    """mknodat(2): regular files, FIFOs and sockets; devices are EPERM, as without CAP_MKNOD."""
    kind = stat.S_IFMT(mode & 0xFFFF)
    if kind == stat.S_IFDIR:
        raise fail(errno.EPERM)
    if kind not in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
        raise fail(errno.EINVAL)
    folder, name = parent_at(task, dirfd, path)
    try:
        place = _place_for_new(task, folder, name)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            raise fail(errno.EPERM)
        os.mknod(name, (kind or stat.S_IFREG) | new_mode(mode), dir_fd=place.fd)
    finally:
        folder.close()
    return 0


@syscall("symlinkat")
def sys_symlinkat(task: LinuxTask, target: int, dirfd: int, path: int) -> int:
    """symlinkat(2): the text is kept as it is; following it stays inside the sandbox."""
    text = path_at(task, target)
    if not text:
        raise fail(errno.ENOENT)
    folder, name = parent_at(task, dirfd, path)
    try:
        os.symlink(text, name, dir_fd=_place_for_new(task, folder, name).fd)
    finally:
        folder.close()
    return 0


@syscall("unlinkat")
def sys_unlinkat(task: LinuxTask, dirfd: int, path: int, flags: int) -> int:
    """unlinkat(2); with AT_REMOVEDIR rmdir(2)."""
    if flags & 0xFFFF_FFFF & ~AT_REMOVEDIR:
        raise fail(errno.EINVAL)
    folder, name = parent_at(task, dirfd, path)
    try:
        if flags & AT_REMOVEDIR:
            _rmdir(task, folder, name)
        else:
            _unlink(task, folder, name)
    finally:
        folder.close()
    return 0


def _changeable(task: LinuxTask, folder: Node, name: str) -> HostNode:
    """The folder if its entry *name*, which must be there, may be taken away."""
    path = f"{folder.path.rstrip('/')}/{name}"
    if path in fs(task).mounts.points or path in fs(task).mounts.ghosts:
        raise fail(errno.EBUSY)
    if not isinstance(folder, HostNode):
        raise fail(errno.EPERM if _exists(folder, name) else errno.ENOENT)
    if folder.read_only:
        raise fail(errno.EROFS if _exists(folder, name) else errno.ENOENT)
    return folder


def _rmdir(task: LinuxTask, folder: Node, name: str) -> None:
    plain = name.rstrip("/")
    special = {".": errno.EINVAL, "..": errno.ENOTEMPTY, "": errno.EBUSY}
    if plain in special:
        raise fail(special[plain])
    os.rmdir(plain, dir_fd=_changeable(task, folder, plain).fd)


def _unlink(task: LinuxTask, folder: Node, name: str) -> None:
    plain = name.rstrip("/")
    if plain in (".", "..", ""):
        raise fail(errno.EISDIR)
    place = _changeable(task, folder, plain)
    if plain != name:
        kind = os.lstat(plain, dir_fd=place.fd).st_mode
        raise fail(errno.EISDIR if stat.S_ISDIR(kind) else errno.ENOTDIR)
    os.unlink(name, dir_fd=place.fd)


@syscall("renameat")
def sys_renameat(task: LinuxTask, old_dir: int, old: int, new_dir: int, new: int) -> int:
    """renameat(2)."""
    return sys_renameat2(task, old_dir, old, new_dir, new, 0)


@syscall("renameat2")
def sys_renameat2(task: LinuxTask, old_dir: int, old: int, new_dir: int, new: int, flags: int) -> int:
    """renameat2(2); a whiteout is a device that nobody can open."""
    flags &= 0xFFFF_FFFF
    clash = flags & RENAME_EXCHANGE and flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) or clash:
        raise fail(errno.EINVAL)
    source, old_name = parent_at(task, old_dir, old)
    try:
        target, new_name = parent_at(task, new_dir, new)
        try:
            _rename(task, source, old_name, target, new_name, flags)
        finally:
            target.close()
    finally:
        source.close()
    return 0


def _rename(task: LinuxTask, source: Node, old: str, target: Node, new: str, flags: int) -> None:
    plain_old, plain_new = old.rstrip("/"), new.rstrip("/")
    if plain_old in ("", ".", ".."):
        raise fail(errno.EBUSY)
    if plain_new in ("", ".", ".."):
        raise fail(errno.EEXIST if flags & RENAME_NOREPLACE else errno.EBUSY)
    if isinstance(source, HostNode) and isinstance(target, HostNode) and source.mount is not target.mount:
        raise fail(errno.EXDEV)
    from_place = _changeable(task, source, plain_old)
    if isinstance(target, HostNode) and _exists(target, plain_new):
        to_place = _changeable(task, target, plain_new)
    else:
        _check_not_mounted(task, target, plain_new)
        if not isinstance(target, HostNode):
            raise fail(errno.EXDEV)
        if target.read_only:
            raise fail(errno.EROFS)
        to_place = target
    # The slashes go along: the host answers ENOTDIR for a file named with one.
    hostcalls.call("renameat2", from_place.fd, os.fsencode(old), to_place.fd, os.fsencode(new), flags)


def _check_not_mounted(task: LinuxTask, folder: Node, name: str) -> None:
    if f"{folder.path.rstrip('/')}/{name}" in fs(task).mounts.points:
        raise fail(errno.EBUSY)


@syscall("linkat")
def sys_linkat(task: LinuxTask, old_dir: int, old: int, new_dir: int, new: int, flags: int) -> int:
    """linkat(2)."""
    flags &= 0xFFFF_FFFF
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise fail(errno.EINVAL)
    name = path_at(task, old)
    if not name and flags & AT_EMPTY_PATH:
        node = descriptor_node(task, old_dir)
    else:
        follow = bool(flags & AT_SYMLINK_FOLLOW)
        node = fs(task).resolver.lookup(base_node(task, old_dir, name), name, follow=follow)
    try:
        folder, new_name = parent_at(task, new_dir, new)
        try:
            _link(task, node, folder, new_name)
        finally:
            folder.close()
    finally:
        node.close()
    return 0


def _link(task: LinuxTask, node: Node, folder: Node, name: str) -> None:
    place = _place_for_new(task, folder, name)
    if not isinstance(node, HostNode) or node.mount not in (place.mount, NOWHERE):
        raise fail(errno.EXDEV)
    if stat.S_ISDIR(node.stat().st_mode):
        raise fail(errno.EPERM)
    # Through the descriptor, so that it is the very object that was looked up.
    source = node.magic.encode()
    hostcalls.call("linkat", hostcalls.AT_FDCWD, source, place.fd, os.fsencode(name), AT_SYMLINK_FOLLOW)
