"""The guest's mount table: which host folders it sees where, and what we answer for ourselves."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from uprobe_linux.fs.nodes import Mount, Node, VDir, VNode

__all__ = ("MountTable", "host_mount")


def host_mount(host: str, guest: str, *, read_only: bool = False, public: bool = False) -> Mount:
    """Open *host* (links followed) for the guest to see at *guest*; raises OSError."""
    fd = os.open(host, os.O_PATH | os.O_CLOEXEC)
    real = os.readlink(f"/proc/self/fd/{fd}")
    return Mount(guest, real, fd, read_only, is_dir=stat.S_ISDIR(os.fstat(fd).st_mode), public=public)


class MountTable:
    """Guest path of each mount point -> what is there.  Made once per machine, shared by forks.

    :param root: the mount at "/"
    :param mounts: further mounts; a later one hides an earlier one at the same path
    """

    def __init__(self, root: Mount, mounts: list[Mount]) -> None:
        self.root = root
        self.hosts: dict[str, Mount] = {"/": root}
        self.hosts.update((m.guest, m) for m in mounts)
        self._opened = [root, *mounts]
        """With those that are hidden at their own path."""
        self.virtual: dict[str, Callable[[], VNode]] = {}
        self._index()

    def add_virtual(self, guest: str, make: Callable[[], VNode]) -> None:
        """Answer for everything at *guest* ourselves; *make* gives the top node."""
        self.virtual[guest] = make
        self._index()

    def _index(self) -> None:
        points = (set(self.hosts) | set(self.virtual)) - {"/"}
        self.points = frozenset(points)
        self.top = frozenset(p.split("/")[1] for p in points)
        self.ghosts = frozenset(a for p in points for a in _ancestors(p))

    def at(self, path: str) -> Node | None:
        """The node mounted exactly at canonical *path*, None if it is no mount point."""
        make = self.virtual.get(path)
        if make is not None:
            node = make()
            node.path = path
            return node
        mount = self.hosts.get(path)
        return None if mount is None else mount.node()

    def anchor(self, parts: list[str]) -> tuple[Mount, list[str]] | None:
        """The innermost host mount on the way to /*parts* and the rest of the way; None if it is ours to
        answer.

        Right only if no part is a symbolic link, which the caller must make sure of.
        """
        if not parts or parts[0] not in self.top:
            return self.root, parts
        path = "/" + "/".join(parts)
        while path != "/":
            if path in self.virtual:
                return None
            mount = self.hosts.get(path)
            if mount is not None:
                return mount, parts[path.count("/") :]
            path = path[: path.rindex("/")] or "/"
        return self.root, parts

    def ghost(self, path: str) -> VDir | None:
        """A made-up folder on the way to a mount point that the mount around it lacks; None if none is
        needed.
        """
        if path not in self.ghosts:
            return None
        prefix = path if path == "/" else path + "/"
        names = sorted({p[len(prefix) :].split("/")[0] for p in self.points if p.startswith(prefix)})
        return VDir(stat.S_IFDIR | 0o555, path, names=lambda: names)

    def missing_children(self, path: str, present: set[str]) -> list[str]:
        """Names of mount points right below *path* that a host listing with *present* does not show."""
        if path not in self.ghosts:
            return []
        prefix = path if path == "/" else path + "/"
        names = {p[len(prefix) :].split("/")[0] for p in self.points if p.startswith(prefix)}
        return sorted(names - present)

    def guest_path(self, host_path: str) -> str:
        """How the guest names *host_path*; raises OSError(ENOENT) if it cannot see it."""
        best: tuple[int, str] | None = None
        for mount in self.hosts.values():
            path = mount.guest_path(host_path)
            if path is not None and (best is None or len(mount.host) > best[0]):
                best = len(mount.host), path
        if best is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return best[1]

    def close(self) -> None:
        """Close the mounts' descriptors."""
        for mount in self._opened:
            os.close(mount.fd)
        self._opened.clear()
        self.hosts.clear()


def _ancestors(path: str) -> list[str]:
    """Every canonical folder above *path*, "/" included."""
    parts = path.split("/")[1:-1]
    return ["/"] + ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
