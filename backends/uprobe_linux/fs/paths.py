"""Sandboxed path resolution: every guest path ends inside a mount of the guest, or nowhere.

Two ways to the same answer.  The fast one is a single openat2(2) with
RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS below the right mount: nothing in it can
lead elsewhere, so the mount may be chosen by the path's text.  Whatever that
refuses (links, ``..``, old kernels) is walked component by component, each
opened O_PATH | O_NOFOLLOW relative to the one before; links are expanded by us
and ``..`` goes back to a descriptor that is still held.  Neither way asks the
host to follow a link or a ``..``, so renames and swapped links during the walk
change what is found inside the sandbox and never lead out of it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.nodes import HostNode, Mount, Node, VDir, VLink
from uprobe_linux.fs.public import check_entered, check_node

if TYPE_CHECKING:
    from uprobe_linux.fs.mounts import MountTable

__all__ = ("MAX_LINKS", "PATH_MAX", "Resolver")

MAX_LINKS = 40
"""Links in one look-up before ELOOP (MAXSYMLINKS, include/linux/namei.h)."""
PATH_MAX = 4096
_SAFE = hostcalls.RESOLVE_BENEATH | hostcalls.RESOLVE_NO_SYMLINKS | hostcalls.RESOLVE_NO_MAGICLINKS
_O_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_REFUSED = frozenset((errno.ELOOP, errno.EXDEV, errno.ENOSYS, errno.EPERM))
"""What openat2 says to links and, on an old or restricted host, to itself: look again slowly."""
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR))
"""The rest of the way may be made of our own nodes (made-up folders, mount points)."""


def fail(number: int) -> OSError:
    """The OSError for error *number*."""
    return OSError(number, os.strerror(number))


class Resolver:
    """Look-ups for one process; *root* is what chroot(2) left, "/" at first.

    Nodes that are returned belong to the caller, who closes them; base nodes
    stay the caller's.
    """

    def __init__(self, mounts: MountTable, root: str = "/") -> None:
        self.mounts = mounts
        self.root = root
        self.fast = hostcalls.have("openat2")

    def lookup(self, base: Node, path: str, *, follow: bool = True) -> Node:
        """The object that *path* names, seen from *base*; *follow*: the last component's link too.

        Raises OSError: ENOENT (also for ""), ENOTDIR, ELOOP, EACCES, ENAMETOOLONG.
        """
        found = self.open_beneath(base, path, os.O_PATH, 0, follow=follow)
        if found is not None:
            fd, mount_node, guest = found
            return HostNode(fd, mount_node.mount, guest)
        return _Walk(self, base, path).run(follow=follow)

    def parent(self, base: Node, path: str) -> tuple[Node, str]:
        """The folder that *path*'s last component lies in, and that component ("" for the root itself).

        The name is as given, ``.`` and ``..`` included; trailing slashes are left
        on it as one "/" so that callers can insist on a folder.
        """
        if not path:
            raise fail(errno.ENOENT)
        stripped = path.rstrip("/")
        head, _, name = stripped.rpartition("/")
        if not stripped:
            return self.lookup(base, "/"), ""
        slash = "/" if len(stripped) < len(path) else ""
        if not head and not stripped.startswith("/"):
            return _borrowed(base), name + slash
        folder = self.lookup(base, head or "/")
        return _checked_dir(folder), name + slash

    def open_beneath(
        self, base: Node, path: str, flags: int, mode: int, *, follow: bool = True
    ) -> tuple[int, HostNode, str] | None:
        """Try the fast way: (descriptor, node it was opened under, guest path), or None: take the slow way.

        :param flags: host open flags
        Raises OSError only for errors that the slow way would find as well.
        """
        anchor = self._anchor(base, path) if self.fast else None
        if anchor is None:
            return None
        node, parts, guest, certain = anchor
        relative = "/".join(parts) or "."
        if path.endswith(("/", "/.")):  # what is there must be a folder, and a link is followed to it
            relative += "/"
        if not follow:
            flags |= os.O_NOFOLLOW
        if node.mount.judged:
            check_entered(guest)
        try:
            fd = hostcalls.openat2(node.fd, os.fsencode(relative), flags, mode, _SAFE)
        except OSError as error:
            if error.errno in _ABSENT and certain:
                raise
            if error.errno in _ABSENT or error.errno in _REFUSED:
                return None
            raise
        return fd, node, guest

    def goal_mount(self, base: Node, path: str) -> Mount | None:
        """The mount that *path* leads to if no link or ``..`` is on the way; None if that cannot be said."""
        anchor = self._anchor(base, path)
        return None if anchor is None else anchor[0].mount

    def _anchor(self, base: Node, path: str) -> tuple[HostNode, list[str], str, bool] | None:
        """Where a fast look-up starts: (node, components below it, guest path of the goal, certain).

        *certain*: nothing of ours can lie below the node, so ENOENT means that. A link on
        the way cannot hide behind it: the host meets the link first and says ELOOP.
        """
        parts = [p for p in path.split("/") if p and p != "."]
        if not path or ".." in parts or len(path) >= PATH_MAX:
            return None
        if path[0] != "/":
            if not isinstance(base, HostNode):
                return None
            guest = _join(base.path, parts)
            if base.path not in self.mounts.ghosts:
                return base, parts, guest, True
            parts = guest.split("/")[1:] if guest != "/" else []
        elif self.root != "/":
            return None
        found = self.mounts.anchor(parts)
        if found is None or not found[0].is_dir:
            return None
        mount, rest = found
        certain = parts[:1] == [] or parts[0] not in self.mounts.top or mount.guest not in self.mounts.ghosts
        return mount.node(), rest, "/" + "/".join(parts), certain


def _join(folder: str, parts: list[str]) -> str:
    if not parts:
        return folder
    return ("" if folder == "/" else folder) + "/" + "/".join(parts)


def _borrowed(base: Node) -> Node:
    """*base* under a second object, so that the caller may close it like any other."""
    if not isinstance(base, HostNode):
        return _checked_dir(base)
    return HostNode(base.fd, base.mount, base.path, owned=False)


def _checked_dir(node: Node) -> Node:
    is_dir = stat.S_ISDIR(node.stat().st_mode) if isinstance(node, HostNode) else node.is_dir
    if not is_dir:
        node.close()
        raise fail(errno.ENOTDIR)
    return node


class _Walk:
    """One slow look-up.  *stack* holds every folder from the root to the current one, all open."""

    def __init__(self, resolver: Resolver, base: Node, path: str) -> None:
        if not path:
            raise fail(errno.ENOENT)
        if len(path) >= PATH_MAX:
            raise fail(errno.ENAMETOOLONG)
        self.resolver = resolver
        self.mounts = resolver.mounts
        self.pending = list(reversed(path.split("/")))
        self.links = 0
        self.expanded = False
        """A link was just put in front of the rest of the way."""
        self.stack: list[Node] = []
        self.base = base
        self.absolute = path.startswith("/")

    def run(self, *, follow: bool) -> Node:
        """Walk to the end; every descriptor but the result's is closed again."""
        try:
            self.stack = self._start()
            while self.pending:
                if self.expanded:
                    found = self._rest_at_once(follow)
                    if found is not None:
                        return found
                self._step(self.pending.pop(), follow)
            return self.stack.pop()
        finally:
            for node in self.stack:
                node.close()

    def _rest_at_once(self, follow: bool) -> Node | None:
        """After a link the rest of the way often has none: try it fast before going on step by step."""
        self.expanded = False
        rest = "/".join(reversed(self.pending))
        if not rest.strip("/"):
            return None
        found = self.resolver.open_beneath(self.stack[-1], rest, os.O_PATH, 0, follow=follow)
        return None if found is None else HostNode(found[0], found[1].mount, found[2])

    def _start(self) -> list[Node]:
        if self.absolute:
            return [self._root()]
        base = self.base
        if isinstance(base, HostNode):
            return [HostNode(os.dup(base.fd), base.mount, base.path)]
        return [base]

    def _root(self) -> Node:
        root = self.resolver.root
        if root == "/":
            return self.mounts.root.node()
        return Resolver(self.mounts).lookup(self.mounts.root.node(), root)

    def _step(self, name: str, follow: bool) -> None:
        if name in ("", "."):
            if self.pending or len(self.stack) > 0:
                self._must_be_dir()
            return
        if name == "..":
            self._must_be_dir()
            self._up()
            return
        child = self._child(self.stack[-1], name)
        last = not any(p for p in self.pending)
        slash_after = bool(self.pending)
        if self._is_link(child) and (follow or not last or slash_after):
            self._expand(child)
        else:
            self.stack.append(child)

    def _must_be_dir(self) -> None:
        _checked_dir_keep(self.stack[-1])

    def _up(self) -> None:
        """``..``: back to the folder still held; for the base of a relative walk, its parent by name."""
        current = self.stack[-1]
        path = current_path(current)
        if path in ("/", self.resolver.root):
            return
        if len(self.stack) == 1:
            above = path.rpartition("/")[0] or "/"
            self.stack.insert(0, Resolver(self.mounts).lookup(self.mounts.root.node(), above))
        self.stack.pop().close()

    def _child(self, folder: Node, name: str) -> Node:
        if not isinstance(folder, HostNode):  # the host itself says ENOTDIR
            _checked_dir_keep(folder)
        path = _join(folder.path, [name])
        mounted = self.mounts.at(path) if path in self.mounts.points else None
        if mounted is not None:
            return mounted
        if isinstance(folder, HostNode):
            return self._host_child(folder, name, path)
        child = folder.lookup(name) if isinstance(folder, VDir) else None
        child = child or self.mounts.ghost(path)
        if child is None:
            raise fail(errno.ENOENT)
        child.path = path
        return child

    def _host_child(self, folder: HostNode, name: str, path: str) -> Node:
        check_node(folder, os.X_OK)
        try:
            fd = os.open(name, _O_PATH, dir_fd=folder.fd)
        except FileNotFoundError:
            ghost = self.mounts.ghost(path)
            if ghost is None:
                raise
            return ghost
        return HostNode(fd, folder.mount, path)

    @staticmethod
    def _is_link(node: Node) -> bool:
        if isinstance(node, HostNode):
            return stat.S_ISLNK(node.stat().st_mode)
        return isinstance(node, VLink)

    def _expand(self, link: Node) -> None:
        """Put a link's text in front of the rest of the way (or jump, for /proc/PID/fd)."""
        try:
            self.links += 1
            if self.links > MAX_LINKS:
                raise fail(errno.ELOOP)
            if isinstance(link, VLink) and link.reopen is not None:
                self._restart_at(link.reopen())
                return
            target = link.target() if isinstance(link, VLink) else self._read(link)
        finally:
            link.close()
        if not target:
            raise fail(errno.ENOENT)
        self.pending.extend(reversed(target.split("/")))
        self.expanded = True
        if target.startswith("/"):
            self._restart_at(self._root())

    def _restart_at(self, node: Node) -> None:
        for held in self.stack:
            held.close()
        self.stack = [node]

    @staticmethod
    def _read(link: Node) -> str:
        assert isinstance(link, HostNode)
        return os.readlink("", dir_fd=link.fd)


def _checked_dir_keep(node: Node) -> None:
    is_dir = stat.S_ISDIR(node.stat().st_mode) if isinstance(node, HostNode) else node.is_dir
    if not is_dir:
        raise fail(errno.ENOTDIR)


def current_path(node: Node) -> str:
    """The guest path that *node* has now (a renamed folder has moved); raises
    OSError(ENOENT) when deleted.
    """
    if not isinstance(node, HostNode):
        return node.path
    host = os.readlink(node.magic)
    if host.endswith(" (deleted)") and node.stat().st_nlink == 0:
        raise fail(errno.ENOENT)
    path = node.mount.guest_path(host)
    if path is None:
        raise fail(errno.ENOENT)
    return path
