"""What a guest path leads to: an object of the host, held by an O_PATH descriptor, or one that we answer for.

Guest paths are strings decoded with surrogateescape, absolute and without
symbolic links, ``.`` or ``..`` ("canonical").
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = (
    "FOREIGN",
    "NOWHERE",
    "HostNode",
    "Memory",
    "Mount",
    "Node",
    "VDevice",
    "VDir",
    "VFile",
    "VLink",
    "VMemory",
    "VNode",
    "static_file",
    "text_file",
)

PROC_DEVICE = 0x15
"""st_dev of what we answer for: an anonymous device number, as procfs has."""


@dataclass(slots=True, eq=False)
class Mount:
    """A folder or file of the host that the guest sees at *guest*.

    :param guest: canonical guest path of its root, "/" for the guest's root
    :param host: the host's canonical path of the same, "/" included
    :param fd: O_PATH descriptor of it, kept open as long as the machine lives
    :param is_dir: False for a bound file
    :param public: only what everybody on the host may read is there to be read
    """

    guest: str
    host: str
    fd: int
    read_only: bool = False
    is_dir: bool = True
    public: bool = False

    @property
    def judged(self) -> bool:
        """Whether who may read is asked at each path in it, which calls that the CPU makes cannot do."""
        return self.public

    def guest_path(self, host_path: str) -> str | None:
        """How the guest names the host's *host_path*, None if it lies outside of this mount."""
        if host_path == self.host:
            return self.guest
        prefix = self.host if self.host == "/" else self.host + "/"
        if not host_path.startswith(prefix):
            return None
        return ("" if self.guest == "/" else self.guest) + "/" + host_path[len(prefix) :]

    def node(self) -> HostNode:
        """The mount's root; closing it leaves the mount open."""
        return HostNode(self.fd, self, self.guest, owned=False)


@dataclass(slots=True, eq=False)
class HostNode:
    """An object of the host: an O_PATH descriptor, the mount it was reached through, its guest path.

    :param owned: whether close() closes *fd*
    """

    fd: int
    mount: Mount
    path: str
    owned: bool = True

    @property
    def read_only(self) -> bool:
        """Whether the sandbox allows no change here."""
        return self.mount.read_only

    def stat(self) -> os.stat_result:
        """The host's metadata of the object itself (links are not followed)."""
        return os.fstat(self.fd)

    @property
    def magic(self) -> str:
        """A host path that reaches exactly this object, whatever its name is by now (proc(5))."""
        return f"/proc/self/fd/{self.fd}"

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self.owned:
            self.owned = False
            os.close(self.fd)


@dataclass(slots=True, eq=False)
class VNode:
    """An object that we answer for.

    :param mode: file type and permission bits, as st_mode has them
    :param path: canonical guest path, filled in by the walk
    :param ino: inode number; 0: derived from the path
    """

    mode: int
    path: str = ""
    ino: int = 0
    uid: int = 0
    gid: int = 0

    read_only = True

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def inode(self) -> int:
        """A number that is the same on every look-up and in every run."""
        if self.ino:
            return self.ino
        value = 0xCBF29CE4  # FNV-1a, so that numbers do not depend on Python's string hashing
        for byte in os.fsencode(self.path):
            value = ((value ^ byte) * 0x01000193) & 0xFFFF_FFFF
        return value | 0xF000_0000

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(slots=True, eq=False)
class VDir(VNode):
    """A directory of ours: *lookup* answers None for a name that is not there."""

    names: Callable[[], Iterable[str]] = tuple
    lookup: Callable[[str], VNode | None] = lambda _: None


@dataclass(slots=True, eq=False)
class VLink(VNode):
    """A symbolic link of ours.

    :param target: its text, as readlink gives it
    :param reopen: for the magic links of /proc/PID/fd: a new node for the object
        behind it, or None when following it means following the text
    """

    target: Callable[[], str] = str
    reopen: Callable[[], HostNode | VNode] | None = None


@dataclass(slots=True, eq=False)
class VFile(VNode):
    """A regular file of ours: *content* is asked at each open and at each read from position 0."""

    content: Callable[[], bytes] = bytes
    store: Callable[[bytes], None] | None = None


class Memory(Protocol):
    """The memory of a process, as /proc/PID/mem reaches it."""

    def read_any(self, address: int, size: int) -> bytes:
        """Whatever the permission is; raises MemoryFault."""
        ...

    def force(self, address: int, data: bytes) -> None:
        """Store as a debugger does; raises MemoryFault where a kernel refuses that."""
        ...


@dataclass(slots=True, eq=False)
class VMemory(VNode):
    """/proc/PID/mem: *memory* is asked once, when it is opened."""

    memory: Callable[[], Memory] = field(kw_only=True)


@dataclass(slots=True, eq=False)
class VDevice(VNode):
    """A character device that we know how to open.

    :param rdev: as st_rdev has it
    :param host: host path to open, "" when opening it fails with *error*
    :param error: the error number of an open that cannot succeed
    :param draw: for the random devices: gives that many bytes
    :param open: for terminals: opens one with guest flags, (description, host descriptor)
    :param change: for what has an owner of the guest's own: sets mode, uid and gid
    """

    rdev: int = 0
    host: str = ""
    error: int = 0
    draw: Callable[[int], bytes] | None = None
    open: Callable[[int], tuple[Any, int]] | None = None
    change: Callable[[int, int, int], None] | None = None


Node = HostNode | VNode

FOREIGN = Mount("", "\0", -1, read_only=True, is_dir=False)
"""Where files of the host lie that the guest got as descriptors: their metadata are not the guest's to
change.
"""

NOWHERE = Mount("", "\0", -1, is_dir=False)
"""Where pipes, sockets, memfds and deleted files lie: reachable through descriptors only."""


def static_file(text: str, mode: int = 0o444) -> VFile:
    """A file of ours whose content never changes."""
    data = text.encode()
    return VFile(stat.S_IFREG | mode, content=lambda: data)


def text_file(content: Callable[[], str], mode: int = 0o444) -> VFile:
    """A file whose text is made at each read."""
    return VFile(stat.S_IFREG | mode, content=lambda: content().encode("utf-8", "surrogateescape"))


@dataclass(slots=True, eq=False)
class Table:
    """Names and nodes for a directory of ours whose children are known in advance."""

    children: dict[str, VNode] = field(default_factory=dict)

    def directory(self, mode: int = 0o555) -> VDir:
        """The directory that shows the children."""
        return VDir(stat.S_IFDIR | mode, names=lambda: tuple(self.children), lookup=self.children.get)
