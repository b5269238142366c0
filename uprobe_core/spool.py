"""Measurements of forked processes on their way to the session, in order and durable.

A guest fork is a fork of the whole session.  What a child observes is appended
to one unlinked file that all share; an append is atomic, so the file's order
is the order of events, and a child that is killed has lost nothing.  The
session's own process plays the file back at the end.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import struct
import tempfile
from collections.abc import Iterator
from typing import Any

__all__ = ("Spool",)

_HEADER = struct.Struct("<I")


class Spool:
    """An append-only file of pickled messages, shared by a family of processes."""

    def __init__(self) -> None:
        self._root = os.getpid()
        self._fd: int | None = None
        self.forked = False
        """Whether there has been a fork, so that order across processes matters from here on."""
        self._alive_read = self._alive_write = -1

    @property
    def is_root(self) -> bool:
        """Whether this is the session's own process."""
        return os.getpid() == self._root

    def prepare(self) -> None:
        """Open the file; called before the run, since a fork may come at any time."""
        handle, name = tempfile.mkstemp(prefix="uprobe-spool-")
        os.unlink(name)
        fd = os.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        os.close(handle)
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 700)
        os.close(fd)
        reader, writer = os.pipe()
        self._alive_read = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 700)
        self._alive_write = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 700)
        os.close(reader)
        os.close(writer)

    def put(self, message: Any) -> None:
        """Append one message; it is safe once this returns."""
        assert self._fd is not None
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        os.write(self._fd, _HEADER.pack(len(body)) + body)

    def wait_for_children(self) -> None:
        """In the session's own process: wait until every forked process has ended."""
        if self._alive_write >= 0:
            os.close(self._alive_write)
            self._alive_write = -1
        while os.read(self._alive_read, 4096):
            pass

    def messages(self) -> Iterator[Any]:
        """All messages so far, in the order in which they were put; a torn last one is left out."""
        if self._fd is None:
            return
        position = 0
        while True:
            header = os.pread(self._fd, _HEADER.size, position)
            if len(header) < _HEADER.size:
                return
            (length,) = _HEADER.unpack(header)
            body = os.pread(self._fd, length, position + _HEADER.size)
            if len(body) < length:
                return
            position += _HEADER.size + length
            yield pickle.loads(body)  # noqa: S301  # our own unlinked file

    def close(self) -> None:
        """Give the descriptors back; idempotent."""
        for fd in (self._fd, self._alive_read, self._alive_write):
            if fd is not None and fd >= 0:
                os.close(fd)
        self._fd = None
        self._alive_read = self._alive_write = -1
