"""Measurements of forked processes on their way to the session, in order and durable.

A guest fork is a fork of the whole session.  What a child observes is appended
to one unlinked file that all share; an append is atomic, and a child that is
killed has lost nothing.  The session's own process plays the file back at the
end: first what has no time, in the order in which it came, then the output of
all processes in the order of their common clock.

Each entry begins and ends with a secret of the run.  Where the disk was full an entry may be torn, and what
follows it is found by the secret: bytes of the program's, which may look like anything, are never taken
for an entry.
"""

from __future__ import annotations

import fcntl
import os
import resource
import struct
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ("Spool",)

_SECRET = 16
_HEADER = struct.Struct(f"<{_SECRET}sIIqq")
"""The secret, bytes that follow, kind, time and process; the latter two of output alone."""
_LOST_MESSAGE = 1 << 32
"""What a lost message adds to the count of losses; a record adds 1."""
_MESSAGE, _RECORD, _TEXT = range(3)
_HIGH = 700
"""Our descriptors' numbers begin here."""


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()
_hooked: list[bool] = []


def _nothing() -> None:
    """What is done at a fork until somebody asks for more."""


def _before_fork() -> None:
    for spool in _spools:
        spool.about_to_fork()


def _after_fork() -> None:
    for spool in _spools:
        spool.forked_here()


def _unnamed_file() -> int:
    """A descriptor of a new temporary file, which is appended to and goes with its last user."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(os.environ.get("TMPDIR") or "/tmp", flags | os.O_TMPFILE, 0o600)  # noqa: S108
    except OSError:  # another folder is to be looked for, or the file system has no such files
        import tempfile  # not needed to start

    handle, name = tempfile.mkstemp(prefix="uprobe-spool-")
    os.unlink(name)
    fd = os.open(f"/proc/self/fd/{handle}", flags)
    os.close(handle)
    return fd


def _watch_forks(spool: Spool) -> None:
    """Have *spool* told of forks; Python's own hooks cannot be taken back, so there is one set for all."""
    if not _hooked:
        _hooked.append(True)
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork,
            after_in_child=_after_fork,
        )
    _spools.add(spool)


def _out_of_the_way(fd: int) -> int:
    """Give *fd* a high number, where the host allows one; the old one is closed."""
    high = min(_HIGH, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, high)
    os.close(fd)
    return moved


class Spool:
    """An append-only file of pickled messages, shared by a family of processes."""

    def __init__(self) -> None:
        self._root = os.getpid()
        self._fd: int | None = None
        self._watches = True
        self.forked = False
        """Whether there has been a fork, so that order across processes matters from here on."""
        self.lost_messages = self.lost_records = 0
        """What had no room; known once the children were waited for."""
        self._secret = os.urandom(_SECRET)
        self._alive_read = self._alive_write = self._losses = -1
        self._before: Callable[[], None] = _nothing
        self._in_child: Callable[[], None] = _nothing

    @property
    def is_root(self) -> bool:
        """Whether this is the session's own process."""
        return os.getpid() == self._root

    def prepare(self) -> None:
        """Open the file; called before the run, since a fork may come at any time."""
        self._fd = _out_of_the_way(_unnamed_file())
        reader, writer = os.pipe()
        self._alive_read, self._alive_write = _out_of_the_way(reader), _out_of_the_way(writer)
        self._losses = _out_of_the_way(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        _watch_forks(self)

    def follow_forks(self, before: Callable[[], None], in_child: Callable[[], None]) -> None:
        """Call *before* in this process before each fork of it, *in_child* in each new process."""
        self._before, self._in_child = before, in_child

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """While it is entered, forks are none of the program's: copies of the run, which send nothing."""
        before, self._watches = self._watches, False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which hold no lock of ours
                yield
        finally:
            self._watches = before

    def about_to_fork(self) -> None:
        """Called before each fork of a process of the session."""
        if self._fd is not None and self._watches:
            import pickle  # noqa: F401  # each new process would do it for itself

            self._before()

    def forked_here(self) -> None:
        """Called on both sides after each fork of a process of the session."""
        if self._fd is not None and self._watches:
            self.forked = True
            if not self.is_root:
                self._in_child()

    def put(self, message: Any) -> None:
        """Append one message; it is safe once this returns, or it is known that something is lost."""
        import pickle

        self._append(_MESSAGE, 0, 0, pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))

    def put_output(self, time: int, pid: int, output: Any) -> None:
        """Append a record, or a line of text as bytes, that process *pid* gave at *time* (nanoseconds)."""
        if isinstance(output, bytes):
            self._append(_TEXT, time, pid, output)
        else:
            import pickle

            self._append(_RECORD, time, pid, pickle.dumps(output, protocol=pickle.HIGHEST_PROTOCOL))

    def _append(self, kind: int, time: int, pid: int, body: bytes) -> None:
        assert self._fd is not None
        data = _HEADER.pack(self._secret, len(body), kind, time, pid) + body + self._secret
        try:
            whole = os.write(self._fd, data) == len(data)
        except OSError:
            whole = False
        if not whole:
            os.eventfd_write(self._losses, _LOST_MESSAGE if kind == _MESSAGE else 1)

    def wait_for_children(self) -> None:
        """In the session's own process: wait until every forked process has ended."""
        if self._alive_write >= 0:
            os.close(self._alive_write)
            self._alive_write = -1
        while os.read(self._alive_read, 4096):
            pass
        with suppress(BlockingIOError):  # there are none
            messages, records = divmod(os.eventfd_read(self._losses), _LOST_MESSAGE)
            self.lost_messages += messages
            self.lost_records += records

    @property
    def lacked(self) -> str:
        """What is lost, in words; "" if nothing is."""
        what = ["what forked processes found is lost"] if self.lost_messages else []
        what += [f"{self.lost_records} records of forked processes are lost"] if self.lost_records else []
        return ", ".join(what)

    def messages(self) -> Iterator[Any]:
        """All messages so far, in the order in which they were put."""
        import pickle

        for kind, _time, _pid, at, length in self._entries():
            if kind == _MESSAGE:
                yield pickle.loads(self._bytes(at, length))  # noqa: S301  # our own unlinked file

    def outputs(self) -> Iterator[Any]:
        """All records and lines of text, by time, then by process, then as that process gave them."""
        import pickle

        entries = [each for each in self._entries() if each[0] != _MESSAGE]
        entries.sort(key=lambda each: each[1:3])  # it is stable
        for kind, _time, _pid, at, length in entries:
            body = self._bytes(at, length)
            yield body if kind == _TEXT else pickle.loads(body)  # noqa: S301  # as above

    def _entries(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(kind, time, process, position, length) of each; torn ones are left out."""
        position, head = 0, self._bytes(0, _HEADER.size)
        while len(head) == _HEADER.size:
            secret, length, kind, time, pid = _HEADER.unpack(head)
            body = position + _HEADER.size
            tail = self._bytes(body + length, _SECRET + _HEADER.size)
            if secret == tail[:_SECRET] == self._secret:
                yield kind, time, pid, body, length
                position, head = body + length + _SECRET, tail[_SECRET:]
            else:
                position = self._next_after(position)
                head = self._bytes(position, _HEADER.size)

    def _next_after(self, position: int) -> int:
        """Where the secret stands next after *position*, where a torn entry or the end of one begins."""
        start, size = position + 1, 1 << 20
        while block := self._bytes(start, size + _SECRET - 1):
            found = block.find(self._secret)
            if found >= 0:
                return start + found
            start += size
        return start

    def _bytes(self, position: int, length: int) -> bytes:
        return b"" if self._fd is None else os.pread(self._fd, length, position)

    def close(self) -> None:
        """Give the descriptors back; idempotent."""
        for fd in (self._fd, self._alive_read, self._alive_write, self._losses):
            if fd is not None and fd >= 0:
                os.close(fd)
        self._fd = None
        self._alive_read = self._alive_write = self._losses = -1
