"""Open file descriptions: what a guest descriptor stands for, and how it is read and written.

Every description has a real host descriptor behind it, and whatever a fork or
a dup must share (position, status flags, locks, epoll membership) lives in the
host's description, not here.  Objects here only say what kind it is.

A *stream* (pipe, socket, eventfd ...) is always O_NONBLOCK on the host so that
no call of ours can block; the guest's own O_NONBLOCK is kept in the host's
O_ASYNC bit, which has no other effect while no owner is set (fcntl(2)), and so
is shared over fork as it must be.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from uprobe_linux.fs import oflags
from uprobe_linux.fs.nodes import FOREIGN, NOWHERE, HostNode, Mount, Node, VDir, VFile
from uprobe_linux.fs.stat_pack import Status, of_result, of_virtual
from uprobe_linux.fs.vdirents import pack_entries

__all__ = (
    "Description",
    "Device",
    "Foreign",
    "Random",
    "Stream",
    "VirtualDir",
    "VirtualFile",
    "adopt",
    "stream",
)

Buffers = Sequence[memoryview | bytearray]


class Description:
    """A regular file or folder of the host; the base of all others.

    :param mount: where it was reached, which says whether it may be changed
    :param path: guest path at the time of opening, or a text such as "pipe:[5]"
    """

    kind: ClassVar[str] = "file"
    is_stream: ClassVar[bool] = False
    is_terminal: ClassVar[bool] = False
    """Whether it is an end of a pseudo-terminal of the run's own, which has calls of its own."""

    __slots__ = ("data", "is_dir", "is_path", "mount", "path")

    def __init__(
        self, mount: Mount = NOWHERE, path: str = "", *, is_dir: bool = False, is_path: bool = False
    ) -> None:
        self.mount = mount
        self.path = path
        self.is_dir = is_dir
        self.is_path = is_path
        """Opened with O_PATH: reading, writing and most else fail with EBADF."""
        self.data: object = None
        """The owner's own (an epoll set, a timer ...)."""

    def read(self, host: int, buffers: Buffers) -> int:
        """Read at the position into *buffers*; bytes read. Raises OSError, EAGAIN for a
        stream without data.
        """
        return os.readv(host, buffers)

    def write(self, host: int, buffers: Buffers) -> int:
        """Write at the position; bytes written. Raises OSError."""
        return os.writev(host, buffers)

    def pread(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """Read at *offset* (bytes)."""
        return os.preadv(host, buffers, offset, flags)

    def pwrite(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """Write at *offset* (bytes)."""
        return os.pwritev(host, buffers, offset, flags)

    def node(self, host: int) -> Node:
        """The object as a look-up would give it; stays open when closed."""
        return HostNode(host, self.mount, self.path, owned=False)

    def status(self, host: int, now: int) -> Status:
        """Metadata; *now* in ns since 1970 for what has no times of its own."""
        return of_result(os.fstat(host))

    def seeking(self, host: int) -> None:
        """The guest is about to seek."""

    def closed(self) -> None:
        """A host descriptor of this was closed, perhaps the last."""

    def nonblocking(self, host: int) -> bool:
        """Whether the guest asked for O_NONBLOCK."""
        return bool(self.flags(host) & oflags.G_NONBLOCK)

    def flags(self, host: int) -> int:
        """Guest status flags and access mode, as F_GETFL gives them; a 64-bit open(2) adds O_LARGEFILE."""
        return oflags.to_guest(fcntl.fcntl(host, fcntl.F_GETFL)) | oflags.G_LARGEFILE

    def set_flags(self, host: int, flags: int) -> None:
        """F_SETFL: only O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME and O_NONBLOCK change."""
        fcntl.fcntl(host, fcntl.F_SETFL, oflags.to_host(flags))


_NO_FASYNC = ("anon_inode:[eventfd]", "anon_inode:[timerfd]", "anon_inode:[signalfd]", "anon_inode:[pidfd]")


class Stream(Description):
    """A pipe, socket, eventfd, timerfd ...: O_NONBLOCK on the host, the guest's wish in O_ASYNC."""

    kind = "stream"
    is_stream = True
    __slots__ = ()

    def flags(self, host: int) -> int:
        """O_ASYNC on the host is the guest's O_NONBLOCK (O_APPEND where it cannot be set, see set_flags)."""
        flags = oflags.to_guest(fcntl.fcntl(host, fcntl.F_GETFL)) & ~oflags.G_NONBLOCK
        mark = oflags.G_APPEND if self.path.startswith(_NO_FASYNC) else oflags.G_ASYNC
        if flags & mark:
            flags ^= mark | oflags.G_NONBLOCK
        return flags

    def set_flags(self, host: int, flags: int) -> None:
        """Keep the host's O_NONBLOCK whatever the guest says."""
        wanted = oflags.to_host(flags & ~oflags.G_ASYNC) | os.O_NONBLOCK
        if self.path.startswith(_NO_FASYNC):
            # These have no fasync operation, so the kernel forgets O_ASYNC; O_APPEND means nothing to them.
            wanted &= ~os.O_APPEND
            wanted |= os.O_APPEND if flags & oflags.G_NONBLOCK else 0
        elif flags & oflags.G_NONBLOCK:
            wanted |= os.O_ASYNC
        fcntl.fcntl(host, fcntl.F_SETFL, wanted)


class Foreign(Description):
    """Standard input or output that we share with the host: its flags are not ours to change.

    The guest's O_NONBLOCK is ours alone; callers poll before each transfer.
    """

    kind = "foreign"
    is_stream = True
    silent: ClassVar[bool] = False
    """Whether what is written goes nowhere: in a copy of a run, which has been written already."""
    __slots__ = ("extra",)

    def __init__(self, path: str) -> None:
        super().__init__(FOREIGN, path)
        self.extra: int | None = None

    def write(self, host: int, buffers: Buffers) -> int:
        """Write at the position, unless it was written before."""
        return sum(map(len, buffers)) if Foreign.silent else os.writev(host, buffers)

    def flags(self, host: int) -> int:
        """The host's, unless the guest has set its own."""
        flags = super().flags(host)
        return flags if self.extra is None else flags & oflags.G_ACCMODE | self.extra

    def set_flags(self, host: int, flags: int) -> None:
        """Remember; the host's description stays as it was."""
        settable = oflags.G_APPEND | oflags.G_NONBLOCK | oflags.G_DIRECT | oflags.G_NOATIME
        self.extra = flags & settable | oflags.G_LARGEFILE


class Device(Description):
    """A character device of the host that is safe to hand through: null, zero, full."""

    kind = "device"
    __slots__ = ("rdev",)

    def __init__(self, path: str, rdev: int = 0) -> None:
        super().__init__(FOREIGN, path)
        self.rdev = rdev

    def status(self, host: int, now: int) -> Status:
        """The host's, with the guest's device number."""
        status = of_result(os.fstat(host))
        return replace(status, rdev=self.rdev) if self.rdev else status


class Random(Device):
    """/dev/random and /dev/urandom: bytes from *draw*, seeded; the host side is /dev/zero."""

    __slots__ = ("draw",)

    def __init__(self, path: str, rdev: int, draw: Callable[[int], bytes]) -> None:
        super().__init__(path, rdev)
        self.draw = draw

    def read(self, host: int, buffers: Buffers) -> int:
        """Fill every buffer."""
        for buffer in buffers:
            buffer[:] = self.draw(len(buffer))
        return sum(map(len, buffers))

    def pread(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """As read: a random source has no position."""
        return self.read(host, buffers)


class VirtualFile(Description):
    """A file that we answer for: a snapshot in a memfd, taken anew by each read from position 0."""

    kind = "virtual"
    __slots__ = ("access", "virtual")

    def __init__(self, node: VFile, access: int = oflags.G_RDONLY) -> None:
        super().__init__(path=node.path)
        self.virtual = node
        self.access = access & (oflags.G_ACCMODE | oflags.G_NONBLOCK | oflags.G_APPEND)
        """The guest's access mode and status flags; the memfd is always read-write."""

    def flags(self, host: int) -> int:
        """What the guest opened it with."""
        return self.access | oflags.G_LARGEFILE

    def set_flags(self, host: int, flags: int) -> None:
        """Remember what may change."""
        self.access = self.access & oflags.G_ACCMODE | flags & (oflags.G_NONBLOCK | oflags.G_APPEND)

    def node(self, host: int) -> Node:
        """The node itself."""
        return self.virtual

    def status(self, host: int, now: int) -> Status:
        """The node's."""
        return of_virtual(self.virtual, now)

    @staticmethod
    def backing() -> int:
        """A host descriptor for one opening."""
        return os.memfd_create("virtual", os.MFD_CLOEXEC)

    def seeking(self, host: int) -> None:
        """SEEK_END is measured from what is true now, once it has been read."""
        if os.fstat(host).st_size == 0:
            self.refresh(host)

    def refresh(self, host: int) -> None:
        """Take a new snapshot."""
        data = self.virtual.content()
        os.ftruncate(host, len(data))
        if data:
            os.pwrite(host, data, 0)

    def read(self, host: int, buffers: Buffers) -> int:
        """A read from the start sees what is true now."""
        self._check(oflags.G_WRONLY)
        if os.lseek(host, 0, os.SEEK_CUR) == 0:
            self.refresh(host)
        return os.readv(host, buffers)

    def pread(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """A read from the start sees what is true now."""
        self._check(oflags.G_WRONLY)
        if offset == 0:
            self.refresh(host)
        return os.preadv(host, buffers, offset, flags)

    def write(self, host: int, buffers: Buffers) -> int:
        """Hand the text to the node, whose errors are the guest's."""
        self._check(oflags.G_RDONLY)
        if self.virtual.store is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        data = b"".join(bytes(b) for b in buffers)
        self.virtual.store(data)
        return len(data)

    def pwrite(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """The position means nothing to a node of ours."""
        return self.write(host, buffers)

    def _check(self, excluded: int) -> None:
        """EBADF when the guest opened it with access mode *excluded*."""
        if self.access & oflags.G_ACCMODE == excluded:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class VirtualDir(Description):
    """A folder that we answer for; its position in the listing is the memfd's position."""

    kind = "virtual-dir"
    __slots__ = ("virtual",)

    def __init__(self, node: VDir) -> None:
        super().__init__(path=node.path, is_dir=True)
        self.virtual = node

    def node(self, host: int) -> Node:
        """The node itself."""
        return self.virtual

    def status(self, host: int, now: int) -> Status:
        """The node's."""
        return of_virtual(self.virtual, now)

    def read(self, host: int, buffers: Buffers) -> int:
        """Folders cannot be read as files."""
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))

    def entries(self, host: int, size: int) -> bytes:
        """The next struct linux_dirent64 records, at most *size* bytes; EINVAL if not even one fits."""
        start = os.lseek(host, 0, os.SEEK_CUR)
        records, following = pack_entries(self.virtual, start, size)
        os.lseek(host, following, os.SEEK_SET)
        return records


def stream(host: int, path: str, *, nonblocking: bool) -> Stream:
    """Make *host* a stream; *nonblocking*: the guest's own wish."""
    description = Stream(path=path or os.readlink(f"/proc/self/fd/{host}"))
    flags = fcntl.fcntl(host, fcntl.F_GETFL)
    description.set_flags(host, flags & oflags.G_APPEND | (oflags.G_NONBLOCK if nonblocking else 0))
    return description


def adopt(host: int) -> Description:
    """The description for a host descriptor that we inherited or received."""
    status = os.fstat(host)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        path = os.readlink(f"/proc/self/fd/{host}")
        return Description(FOREIGN, path, is_dir=stat.S_ISDIR(status.st_mode))
    if stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == 1:
        return Device(os.readlink(f"/proc/self/fd/{host}"), status.st_rdev)
    return Foreign(_stream_name(status))


def _stream_name(status: os.stat_result) -> str:
    if stat.S_ISFIFO(status.st_mode):
        return f"pipe:[{status.st_ino}]"
    if stat.S_ISSOCK(status.st_mode):
        return f"socket:[{status.st_ino}]"
    return "/dev/tty" if stat.S_ISCHR(status.st_mode) else "anon_inode:[unknown]"
