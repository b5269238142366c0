"""The guest's file descriptors.

Each guest descriptor has a host descriptor of its own (close-on-exec, never
0-2, which stay the host program's), so dup, fork, flock, record locks and epoll
membership mean on the host what they mean to the guest.  Guest numbers are
given out as Linux does: the lowest free one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uprobe_linux.fs.descriptors import Description, adopt

__all__ = ("DEFAULT_LIMIT", "Descriptor", "FdTable", "hosts_are_shared")

DEFAULT_LIMIT = 1024
"""RLIMIT_NOFILE's soft limit as a kernel starts with (INR_OPEN_CUR)."""
_LOWEST_HOST = 3


@dataclass(slots=True, eq=False)
class Descriptor:
    """One entry: the description, this entry's host descriptor, and the close-on-exec flag."""

    file: Description
    host: int
    cloexec: bool = False


def _nobody(_fd: int) -> None:
    """Nobody keeps a copy of the table."""


def bad_descriptor() -> OSError:
    """EBADF."""
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


class FdTable:
    """Guest number -> :class:`Descriptor`.

    :attr limit: RLIMIT_NOFILE's soft limit: numbers are below it
    """

    def __init__(self) -> None:
        self._entries: dict[int, Descriptor] = {}
        self._lowest = 0
        self.limit = DEFAULT_LIMIT
        self.changed: Callable[[int], None] = _nobody
        """Called with each number that stands for something else from now on, or for nothing."""

    def adopt_standard(self) -> None:
        """Give the guest the host's 0, 1 and 2, as far as they are open.

        One that was closed when we started may be a file of ours by now.
        """
        for fd, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
            if stream is None:
                continue
            with contextlib.suppress(OSError):
                host = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOWEST_HOST)
                self._put(fd, Descriptor(adopt(host), host))

    def get(self, fd: int) -> Descriptor:
        """The entry *fd*, O_PATH ones included; raises OSError(EBADF)."""
        entry = self._entries.get(fd)
        if entry is None:
            raise bad_descriptor()
        return entry

    def usable(self, fd: int) -> Descriptor:
        """The entry *fd* for work on the file itself: EBADF for O_PATH ones too."""
        entry = self._entries.get(fd)
        if entry is None or entry.file.is_path:
            raise bad_descriptor()
        return entry

    def install(self, file: Description, host: int, *, cloexec: bool, minimum: int = 0) -> int:
        """Give *host* the lowest free number from *minimum*; raises OSError(EMFILE) and
        closes *host* then.
        """
        fd = self._free(minimum)
        if fd >= self.limit:
            os.close(host)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if host < _LOWEST_HOST:
            host = _move_up(host)
        self._put(fd, Descriptor(file, host, cloexec))
        return fd

    def room_for_one(self) -> None:
        """Raise OSError(EMFILE) unless one more descriptor fits; cheap."""
        if self._free(0) >= self.limit:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def room_for(self, count: int) -> None:
        """Raise OSError(EMFILE) unless *count* more descriptors fit."""
        free = fd = 0
        while free < count:
            if fd >= self.limit:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            free += fd not in self._entries
            fd += 1

    def dup(self, fd: int, *, minimum: int = 0, cloexec: bool = False) -> int:
        """A second number for the same description; raises OSError EBADF, EMFILE, EINVAL (minimum over the
        limit).
        """
        entry = self.get(fd)
        if not 0 <= minimum < self.limit:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        host = fcntl.fcntl(entry.host, fcntl.F_DUPFD_CLOEXEC, _LOWEST_HOST)
        return self.install(entry.file, host, cloexec=cloexec, minimum=minimum)

    def set_cloexec(self, fd: int, cloexec: bool) -> None:
        """Whether an exec closes *fd*; raises OSError(EBADF)."""
        self.get(fd).cloexec = cloexec
        self.changed(fd)

    def dup_to(self, old: int, new: int, *, cloexec: bool) -> int:
        """Make *new* stand for what *old* stands for, closing what it stood for; raises OSError(EBADF)."""
        entry = self.get(old)
        if not 0 <= new < self.limit:
            raise bad_descriptor()
        host = fcntl.fcntl(entry.host, fcntl.F_DUPFD_CLOEXEC, _LOWEST_HOST)
        if new in self._entries:
            self.close(new)
        self._put(new, Descriptor(entry.file, host, cloexec))
        return new

    def close(self, fd: int) -> None:
        """Close *fd*; raises OSError(EBADF). Errors of the host's close are the guest's."""
        entry = self._entries.pop(fd, None)
        if entry is None:
            raise bad_descriptor()
        self._lowest = min(self._lowest, fd)
        self.changed(fd)
        if _release(entry.host):
            entry.file.closed()

    # --- what the CPU did by itself: the host's part is done, and nobody has to be told ---------------

    def opened(self, fd: int, entry: Descriptor) -> None:
        """*fd*, which was free, is *entry* by now."""
        self._entries[fd] = entry

    def closed(self, fd: int) -> None:
        """*fd* is closed by now."""
        del self._entries[fd]
        self._lowest = min(self._lowest, fd)

    def close_range(self, first: int, last: int) -> None:
        """Close every open number in [first, last], both inclusive."""
        for fd in [n for n in self._entries if first <= n <= last]:
            with contextlib.suppress(OSError):
                self.close(fd)

    def close_on_exec(self) -> None:
        """What execve does to descriptors."""
        for fd in [n for n, entry in self._entries.items() if entry.cloexec]:
            with contextlib.suppress(OSError):
                self.close(fd)

    def close_all(self) -> None:
        """What an exit does to descriptors; idempotent."""
        self.close_range(0, 1 << 31)

    def copy(self) -> FdTable:
        """A second table in this host process with the same descriptions (clone with CLONE_VM, unshare).

        Host descriptors are shared and counted, not duplicated: closing a duplicate
        would give up the process's record locks on the file (fcntl(2)).
        """
        other = FdTable()
        other.limit = self.limit
        for fd, entry in self._entries.items():
            _extra_users[entry.host] = _extra_users.get(entry.host, 0) + 1
            other._put(fd, Descriptor(entry.file, entry.host, entry.cloexec))
        return other

    def __contains__(self, fd: int) -> bool:
        return fd in self._entries

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, fd: int, entry: Descriptor) -> None:
        self._entries[fd] = entry
        self.changed(fd)

    def _free(self, minimum: int) -> int:
        """The lowest free number from *minimum*; ``_lowest`` is a lower bound of the lowest free one."""
        fd = max(minimum, self._lowest)
        while fd in self._entries:
            fd += 1
        if minimum <= self._lowest:
            self._lowest = fd
        return fd


def hosts_are_shared() -> bool:
    """Whether any host descriptor is used by more than one table."""
    return bool(_extra_users)


_extra_users: dict[int, int] = {}
"""Host descriptors that more than one table uses: how many beyond the first."""


def _release(host: int) -> bool:
    """One table is done with *host*: close it if it was the last; whether it was."""
    users = _extra_users.pop(host, 0)
    if not users:
        os.close(host)
    elif users > 1:
        _extra_users[host] = users - 1
    return not users


def _move_up(host: int) -> int:
    """Away from 0-2, which are free only if the host program was started without them."""
    moved: int = fcntl.fcntl(host, fcntl.F_DUPFD_CLOEXEC, _LOWEST_HOST)
    os.close(host)
    return moved
