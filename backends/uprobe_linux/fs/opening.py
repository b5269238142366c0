"""open(2) inside the sandbox: from a guest path and flags to a description and a host descriptor."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import oflags
from uprobe_linux.fs.descriptors import Description, Device, Random, VirtualDir, VirtualFile
from uprobe_linux.fs.memory_file import MemoryFile
from uprobe_linux.fs.nodes import HostNode, Node, VDevice, VDir, VFile, VLink, VMemory
from uprobe_linux.fs.paths import MAX_LINKS, fail
from uprobe_linux.fs.public import check_node, may_read
from uprobe_linux.fs.set_ids import lose_bits, new_mode

if TYPE_CHECKING:
    from uprobe_linux.fs.context import FsContext

__all__ = ("FifoOpen", "open_path")

_WRITING = oflags.G_WRONLY | oflags.G_RDWR | oflags.G_TRUNC
# What the host must never do for us: block, or take a terminal.
_ALWAYS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FifoOpen(Exception):  # noqa: N818 - an outcome, not an error
    """The path names a FIFO, whose opening may have to wait; *node* is the caller's to close.

    :param held: *node* is a real opening, not O_PATH: other processes see an end that must
        not go away before the guest has its own
    """

    def __init__(self, node: HostNode, *, held: bool = False) -> None:
        super().__init__()
        self.node = node
        self.held = held


def open_path(fs: FsContext, base: Node, path: str, flags: int, mode: int) -> tuple[Description, int]:
    """Open guest *path* seen from *base*; (description, host descriptor).

    :param flags: guest open flags
    :param mode: permission bits for a new file; the umask is the host's and applies
    Raises OSError as open(2), and FifoOpen for FIFOs.
    """
    if flags & oflags.G_PATH:
        return _open_o_path(fs, base, path, flags)
    if flags & 0o20000000:
        return _open_unnamed(fs, base, path, flags, mode)
    follow = (
        not flags & oflags.G_NOFOLLOW
        and flags & (oflags.G_CREAT | oflags.G_EXCL) != oflags.G_CREAT | oflags.G_EXCL
    )
    opened = _open_fast(fs, base, path, flags, mode, follow)
    if opened is not None:
        return opened
    if flags & oflags.G_CREAT:
        return _create_slowly(fs, base, path, flags, mode, follow)
    node = fs.resolver.lookup(base, path, follow=follow)
    return open_node(node, flags)


def _open_fast(
    fs: FsContext, base: Node, path: str, flags: int, mode: int, follow: bool
) -> tuple[Description, int] | None:
    """One openat2 where no link, special file or read-only mount is in the way; else None."""
    host_flags = oflags.to_host(flags & ~oflags.G_NOFOLLOW) | _ALWAYS
    if flags & (_WRITING | oflags.G_CREAT):
        anchor = fs.resolver.goal_mount(base, path)
        if anchor is None or anchor.read_only:
            return None
        # A trailing slash with O_CREAT is EISDIR whatever is there; the slow way says so.
        if flags & oflags.G_CREAT and path.endswith(("/", "/.")):
            return None
    try:
        # openat2 refuses a mode without O_CREAT.
        host_mode = new_mode(mode) if flags & oflags.G_CREAT else 0
        found = fs.resolver.open_beneath(base, path, host_flags, host_mode, follow=follow)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a FIFO without reader, or a socket
            return None
        raise
    if found is None:
        return None
    fd, node, guest = found
    status = os.fstat(fd)
    kind = stat.S_IFMT(status.st_mode)
    if node.mount.judged and kind in (stat.S_IFREG, stat.S_IFDIR) and not may_read(status):
        os.close(fd)
        raise fail(errno.EACCES)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        if flags & _WRITING:
            lose_bits(fd, status.st_mode)
        return Description(node.mount, guest, is_dir=kind == stat.S_IFDIR), fd
    if kind == stat.S_IFIFO and not node.read_only:
        raise FifoOpen(HostNode(fd, node.mount, guest), held=True)
    os.close(fd)
    return None


def open_node(node: Node, flags: int) -> tuple[Description, int]:
    """Open what a look-up found; takes the node over. Raises OSError, FifoOpen."""
    keep = False
    try:
        if not isinstance(node, HostNode):
            return _open_virtual(node, flags)
        kind = stat.S_IFMT(node.stat().st_mode)
        if kind == stat.S_IFIFO:
            _check_fifo(node)
            keep = True
            raise FifoOpen(node)
        return _open_host(node, kind, flags)
    finally:
        if not keep:
            node.close()


def _check_fifo(node: HostNode) -> None:
    """A FIFO of a read-only place connects to programs outside; the sandbox opens neither end."""
    if node.read_only:
        raise fail(errno.EACCES)


def _open_host(node: HostNode, kind: int, flags: int) -> tuple[Description, int]:
    if kind == stat.S_IFLNK:
        raise fail(errno.ELOOP)
    if kind == stat.S_IFSOCK:
        raise fail(errno.ENXIO)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        raise fail(errno.EACCES)  # as on a file system mounted nodev
    if kind == stat.S_IFDIR and flags & (_WRITING | oflags.G_CREAT):
        raise fail(errno.EISDIR)
    if flags & oflags.G_DIRECTORY and kind != stat.S_IFDIR:
        raise fail(errno.ENOTDIR)
    if node.read_only and flags & _WRITING:
        raise fail(errno.EROFS)
    check_node(node)
    if flags & _WRITING:
        lose_bits(node.magic, node.stat().st_mode)
    wanted = flags & ~(oflags.G_NOFOLLOW | oflags.G_CREAT | oflags.G_EXCL)
    fd = os.open(node.magic, oflags.to_host(wanted) | _ALWAYS)
    return Description(node.mount, node.path, is_dir=kind == stat.S_IFDIR), fd


def _open_virtual(node: Node, flags: int) -> tuple[Description, int]:
    writing = flags & oflags.G_ACCMODE != oflags.G_RDONLY
    if isinstance(node, VLink):
        raise fail(errno.ELOOP)
    if flags & oflags.G_DIRECTORY and not isinstance(node, VDir):
        raise fail(errno.ENOTDIR)
    if isinstance(node, VDir):
        if writing or flags & oflags.G_CREAT:
            raise fail(errno.EISDIR)
        return VirtualDir(node), VirtualFile.backing()
    if isinstance(node, VDevice):
        return _open_device(node, flags)
    if isinstance(node, VMemory):
        return MemoryFile(node, flags), VirtualFile.backing()
    assert isinstance(node, VFile)
    if writing and node.store is None and (os.geteuid() or node.path.startswith("/proc/sys/")):
        # Root may open what it cannot write to, sysctls apart; the write itself is then refused.
        raise fail(errno.EACCES)
    return VirtualFile(node, flags), VirtualFile.backing()


def _open_device(node: VDevice, flags: int) -> tuple[Description, int]:
    if node.error:
        raise fail(node.error)
    if node.open is not None:
        return node.open(flags)
    host = os.open(node.host, oflags.to_host(flags & oflags.G_ACCMODE) | _ALWAYS)
    if node.draw is not None:
        return Random(node.path, node.rdev, node.draw), host
    return Device(node.path, node.rdev), host


def _open_o_path(fs: FsContext, base: Node, path: str, flags: int) -> tuple[Description, int]:
    node = fs.resolver.lookup(base, path, follow=not flags & oflags.G_NOFOLLOW)
    if not isinstance(node, HostNode):
        return _virtual_o_path(node, flags)
    is_dir = stat.S_ISDIR(node.stat().st_mode)
    if flags & oflags.G_DIRECTORY and not is_dir:
        node.close()
        raise fail(errno.ENOTDIR)
    fd = node.fd if node.owned else os.dup(node.fd)
    os.set_inheritable(fd, False)
    return Description(node.mount, node.path, is_dir=is_dir, is_path=True), fd


def _virtual_o_path(node: Node, flags: int) -> tuple[Description, int]:
    if isinstance(node, VDir):
        file: Description = VirtualDir(node)
    elif isinstance(node, VFile):
        file = VirtualFile(node, flags)
    elif isinstance(node, VMemory):
        file = MemoryFile(node, flags)
    else:
        file = Device(node.path)
    if flags & oflags.G_DIRECTORY and not file.is_dir:
        raise fail(errno.ENOTDIR)
    file.is_path = True
    return file, VirtualFile.backing()


def _open_unnamed(fs: FsContext, base: Node, path: str, flags: int, mode: int) -> tuple[Description, int]:
    """O_TMPFILE."""
    if flags & oflags.G_ACCMODE == oflags.G_RDONLY or flags & oflags.G_TMPFILE != oflags.G_TMPFILE:
        raise fail(errno.EINVAL)
    node = fs.resolver.lookup(base, path)
    try:
        if not isinstance(node, HostNode):
            raise fail(errno.EOPNOTSUPP)
        if node.read_only:
            raise fail(errno.EROFS)
        host_flags = oflags.to_host(flags & ~(oflags.G_NOFOLLOW | oflags.G_CREAT)) | os.O_CLOEXEC
        fd = os.open(".", host_flags, new_mode(mode), dir_fd=node.fd)
        return Description(node.mount, node.path + "/#unnamed"), fd
    finally:
        node.close()


def _create_slowly(
    fs: FsContext, base: Node, path: str, flags: int, mode: int, follow: bool, links: int = MAX_LINKS
) -> tuple[Description, int]:
    """O_CREAT through links and beside what is ours: find the folder and name where the file is to be.

    :param links: dangling links that may still be followed to the place they point to
    """
    if path.endswith("/") and path.strip("/"):
        # Whatever is there, once the way to it is good (open_last_lookups).
        fs.resolver.parent(base, path)[0].close()
        raise fail(errno.EISDIR)
    existing = _existing(fs, base, path, flags, follow)
    if existing is not None:
        return open_node(existing, flags)
    folder, name = fs.resolver.parent(base, path)
    try:
        target = _dangling(folder, name) if follow else None
        if target is None:
            return _create(folder, name, flags, mode)
        if not links:
            raise fail(errno.ELOOP)
        return _create_slowly(fs, folder, target, flags, mode, True, links - 1)
    finally:
        folder.close()


def _existing(fs: FsContext, base: Node, path: str, flags: int, follow: bool) -> Node | None:
    """What is there already; raises EEXIST for O_EXCL."""
    try:
        node = fs.resolver.lookup(base, path, follow=follow)
    except FileNotFoundError:
        return None
    if flags & oflags.G_EXCL:
        node.close()
        raise fail(errno.EEXIST)
    return node


def _dangling(folder: Node, name: str) -> str | None:
    """The text of the link *name*, None if it is none."""
    if not isinstance(folder, HostNode):
        return None
    try:
        return os.readlink(name, dir_fd=folder.fd)
    except OSError:
        return None


def _create(folder: Node, name: str, flags: int, mode: int) -> tuple[Description, int]:
    if not isinstance(folder, HostNode):
        raise fail(errno.ENOENT if folder.path.startswith("/proc") else errno.EROFS)
    if folder.read_only:
        raise fail(errno.EROFS)
    host_flags = oflags.to_host(flags | oflags.G_NOFOLLOW) | _ALWAYS
    fd = os.open(name, host_flags, new_mode(mode), dir_fd=folder.fd)
    lose_bits(fd, os.fstat(fd).st_mode)
    return Description(folder.mount, f"{folder.path.rstrip('/')}/{name}"), fd
