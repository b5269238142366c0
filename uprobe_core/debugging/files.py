"""Files that gdb reads through us: as the program sees them, and never to be changed (``vFile``)."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.debugging.packets import escaped

if TYPE_CHECKING:
    from uprobe_core.debugging.view import View

__all__ = ("GuestFileReader",)

_MOST_OPEN = 64
_ERRORS = {errno.EPERM: 1, errno.ENOENT: 2, errno.EBADF: 9, errno.EACCES: 13, errno.EISDIR: 21}
"""gdb's own numbers ("Errno Values"); others are EUNKNOWN."""
_PROC = re.compile(r"/proc/(?:\d+|self)/(?:task/\d+/)?(maps|auxv|cmdline)$")


class GuestFileReader:
    """Answers ``vFile`` packets.

    :param host_path: the local path of a path of the program's; raises OSError
    """

    def __init__(self, host_path: Callable[[str], str]) -> None:
        self._host_path = host_path
        self._open: dict[int, bytes | int] = {}
        """What is open: a descriptor of ours, or bytes that were made up."""

    def answer(self, request: bytes, view: View) -> bytes:
        """The answer to *request*, which comes after ``vFile:``."""
        name, _, rest = request.partition(b":")
        operation = {b"setfs": self._set, b"open": self._begin, b"pread": self._read, b"close": self._end}
        operation |= {b"fstat": self._status, b"readlink": self._link}
        if name not in operation:
            return b""
        try:
            return operation[name](rest, view)
        except OSError as error:
            return b"F-1,%x" % _ERRORS.get(error.errno or 0, 9999)

    def _set(self, _rest: bytes, _view: View) -> bytes:
        return b"F0"

    def _begin(self, rest: bytes, view: View) -> bytes:
        name, flags, _mode = rest.split(b",")
        path = bytes.fromhex(name.decode()).decode("utf-8", "surrogateescape")
        if int(flags, 16) & 3:
            raise OSError(errno.EACCES, "nothing can be written")
        if len(self._open) >= _MOST_OPEN:
            raise OSError(errno.EMFILE, "too many files")
        number = next(n for n in range(3, 4 + _MOST_OPEN) if n not in self._open)
        made = _made_up(path, view)
        self._open[number] = (
            os.open(self._host_path(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if made is None
            else made
        )
        return b"F%x" % number

    def _file(self, number: bytes) -> bytes | int:
        found = self._open.get(int(number, 16))
        if found is None:
            raise OSError(errno.EBADF, "not open")
        return found

    def _read(self, rest: bytes, _view: View) -> bytes:
        number, size, offset = rest.split(b",")
        file, at = self._file(number), int(offset, 16)
        most = min(int(size, 16), 0x1800)
        data = file[at : at + most] if isinstance(file, bytes) else os.pread(file, most, at)
        return b"F%x;%b" % (len(data), escaped(data))

    def _end(self, rest: bytes, _view: View) -> bytes:
        file = self._file(rest)
        if isinstance(file, int):
            os.close(file)
        del self._open[int(rest, 16)]
        return b"F0"

    def _status(self, rest: bytes, _view: View) -> bytes:
        file = self._file(rest)
        size, mode = (len(file), 0o100444) if isinstance(file, bytes) else _size_of(file)
        data = struct.pack(">7I", 0, 0, mode, 1, 0, 0, 0) + struct.pack(">3Q", size, 4096, -(-size // 512))
        data += struct.pack(">3I", 0, 0, 0)
        return b"F%x;%b" % (len(data), escaped(data))

    def _link(self, rest: bytes, view: View) -> bytes:
        path = bytes.fromhex(rest.decode()).decode("utf-8", "surrogateescape")
        if re.fullmatch(r"/proc/(\d+|self)/exe", path):
            target = view.call("process")[1].encode()
        else:
            target = os.readlink(os.fsencode(self._host_path(path)))
        return b"F%x;%b" % (len(target), escaped(target))


def _size_of(file: int) -> tuple[int, int]:
    status = os.fstat(file)
    return status.st_size, status.st_mode & 0xFFFF


def _made_up(path: str, view: View) -> bytes | None:
    """The text of a file of /proc that tells of the process, None for another path."""
    found = _PROC.match(path)
    if found is None:
        return None
    if found[1] == "auxv":
        return bytes(view.call("process")[2])
    if found[1] == "cmdline":
        return bytes(view.call("command_line"))
    rows = view.call("mappings")
    return "".join(
        f"{start:08x}-{end:08x} {flags} {offset:08x} 00:00 0{' ' * 26}{name}\n"
        for start, end, flags, offset, name in rows
    ).encode()
