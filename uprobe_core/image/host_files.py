"""Files of this machine that are read, whatever somebody has put there.

What a path leads to may be a fifo that nobody writes to, a device that never ends, a file of a
terabyte of holes, or one that is made shorter while it is read.  Nothing here waits, maps or reads without
a bound.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

__all__ = ("FileBytes", "HeldBytes", "open_regular", "read_bounded")

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
_CHUNK = 1 << 20


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading; OSError, with a text that says what it is, also for what is no file."""
    return open(_regular(path), "rb")


def _regular(path: str | os.PathLike[str]) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, f"it is {_KINDS.get(kind, 'something else')}, not a file", os.fspath(path))
    return descriptor


def read_bounded(path: str, most: int) -> bytes:
    """The whole of a small file; OSError(EFBIG) for more than *most* bytes.

    Pipes and terminals that are open already (``/dev/stdin``, ``/dev/fd/63``) are read to their end; a fifo
    with a name is not opened, since nobody might ever write to it.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode) and not os.path.realpath(path).startswith("/proc/"):
        raise OSError(errno.EINVAL, "it is a pipe, not a file", path)
    with open(path, "rb", buffering=0) as file:
        data = bytearray()
        while len(data) <= most and (piece := file.read(min(_CHUNK, most + 1 - len(data)))):
            data += piece
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20} MiB", path)
    return bytes(data)


class FileBytes:
    """The bytes of a regular file, read as they are asked for.

    :ivar size: bytes in the file when it was opened; what is missing later reads as zeros
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._descriptor = -1
        self._descriptor = _regular(path)
        self.size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self.size

    def at(self, start: int, size: int) -> bytes:
        """The *size* bytes from *start* on, fewer where the file ended when it was opened."""
        size = min(size, self.size - start)
        if size <= 0:
            return b""
        data = bytearray()
        while len(data) < size and (piece := self._read(size - len(data), start + len(data))):
            data += piece
        return bytes(data.ljust(size, b"\0"))

    def _read(self, size: int, start: int) -> bytes:
        return os.pread(self._descriptor, size, start)

    def close(self) -> None:
        """Give the file back; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        """As :meth:`close` does; when the interpreter ends, this module has no names any more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            close(descriptor)


class HeldBytes:
    """Bytes that are here already, as :class:`FileBytes` has those of a file."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def at(self, start: int, size: int) -> bytes:
        """The *size* bytes from *start* on, fewer where they end."""
        return self._content[start : start + size]

    def close(self) -> None:
        """Nothing is to be given back."""
