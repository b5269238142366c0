"""An open end of a pseudo-terminal, and the FIFOs by which the host tells others that it is ready.

Each end has four. ``in`` is the host descriptor that the guest's stands for: it has a byte while
there is something to read, and is open exactly as long as somebody of the run holds the end.
``room`` and ``hup`` have one while there is room for more, and once the other side is gone;
``news`` gets one, where somebody has asked for it, whenever more can be done than before.
Nothing of what is read or written goes through them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from uprobe_linux.fs import oflags
from uprobe_linux.fs.descriptors import Buffers, Stream
from uprobe_linux.fs.stat_pack import Status, of_virtual

if TYPE_CHECKING:
    from uprobe_linux.fs.nodes import Node, VDevice

__all__ = ("HUP", "IN", "NEWS", "ROOM", "Fifos", "PtyEnd")

IN, ROOM, HUP, NEWS = range(4)
_NAMES = ("in", "room", "hup", "news")
_OPENED = os.O_NONBLOCK | os.O_CLOEXEC


class PtyEnd(Stream):
    """A descriptor of a master or a slave.

    :param path: as the guest has opened it
    :param access: guest access mode
    :param make: the node of its name
    :param gone: called when a host descriptor of it was closed
    """

    is_terminal: ClassVar[bool] = True
    __slots__ = ("_gone", "_make", "access", "generation", "master", "number")

    def __init__(
        self,
        path: str,
        where: tuple[int, int, bool],
        access: int,
        make: Callable[[], VDevice],
        gone: Callable[[PtyEnd], None],
    ) -> None:
        super().__init__(path=path)
        self.number, self.generation, self.master = where
        self.access = access & oflags.G_ACCMODE
        self._make, self._gone = make, gone

    def flags(self, host: int) -> int:
        """The FIFO is open for both ways, whatever the guest asked for."""
        return super().flags(host) & ~oflags.G_ACCMODE | self.access

    def node(self, host: int) -> Node:
        """That of its name: opening it again opens the terminal again."""
        return self._make()

    def status(self, host: int, now: int) -> Status:
        """The node's."""
        return of_virtual(self._make(), now)

    def closed(self) -> None:
        """A host descriptor of this was closed."""
        self._gone(self)

    def read(self, host: int, buffers: Buffers) -> int:
        """What is not made for terminals does not read them (splice, sendfile from one)."""
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def write(self, host: int, buffers: Buffers) -> int:
        """What is not made for terminals does not write to them."""
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


class Fifos:
    """Those of all pseudo-terminals of a run, in *folder*, which the guest cannot see."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._kept: dict[tuple[int, bool, int], tuple[int, int]] = {}
        """(number, of the master, which) -> generation and a descriptor to wait with."""

    def path(self, number: int, master: bool, which: int) -> str:
        """Where one of them lies."""
        return f"{self._folder}/{number}.{'m' if master else 's'}.{_NAMES[which]}"

    def make(self, number: int) -> None:
        """New ones for *number*, in place of what its last use has left."""
        for master in (True, False):
            for which in range(len(_NAMES)):
                path = self.path(number, master, which)
                if os.path.lexists(path):
                    os.unlink(path)
                os.mkfifo(path)
                os.chmod(path, 0o600)  # the guest's umask is the host's

    def open_end(self, number: int, master: bool) -> int:
        """A host descriptor that stands for an end."""
        return os.open(self.path(number, master, IN), os.O_RDWR | _OPENED)

    def is_held(self, number: int, master: bool) -> bool:
        """Whether anybody, in whatever process or on the way to one, holds the end."""
        try:
            os.close(os.open(self.path(number, master, IN), os.O_WRONLY | _OPENED))
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return False
            raise
        return True

    def mark(self, number: int, master: bool, which: int, on: bool) -> None:
        """Have one say *on*; nothing happens while nobody has it open."""
        try:
            fd = os.open(self.path(number, master, which), (os.O_WRONLY if on else os.O_RDONLY) | _OPENED)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            os.write(fd, b"!") if on else os.read(fd, 4096)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)

    def waited(self, number: int, generation: int, master: bool, which: int, on: bool) -> int:
        """A descriptor that can be read while ROOM or HUP says so, which is *on* now; it is kept."""
        key = number, master, which
        kept, fd = self._kept.get(key, (0, -1))
        if kept == generation:
            return fd
        if fd >= 0:
            os.close(fd)
        fd = os.open(self.path(*key), os.O_RDWR | _OPENED)
        self._kept[key] = generation, fd
        self.mark(number, master, which, False)
        if on:
            os.write(fd, b"!")
        return fd

    def number_of(self, host: int) -> tuple[int, bool] | None:
        """The number and side of an end whose host descriptor was received from another process."""
        folder, _, name = os.readlink(f"/proc/self/fd/{host}").rpartition("/")
        number, _, rest = name.partition(".")
        if folder != os.path.realpath(self._folder) or not rest.endswith(".in"):
            return None
        return int(number), rest.startswith("m")

    def close(self) -> None:
        """Give the descriptors back; idempotent."""
        for _, fd in self._kept.values():
            os.close(fd)
        self._kept.clear()
