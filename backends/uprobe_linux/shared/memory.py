"""Memory that all host processes of one machine share, and the locks on it.

It never lies in a guest's arena.  A lock is a POSIX record lock on the
backing memfd: the host gives it back when its holder dies, whatever killed it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ("SharedMemory",)


class SharedMemory:
    """*size* bytes, zero at first, seen by this host process and all that it forks."""

    def __init__(self, size: int) -> None:
        self._fd = os.memfd_create("uprobe-shared", os.MFD_CLOEXEC)
        os.ftruncate(self._fd, size)
        self.data = mmap.mmap(self._fd, size, mmap.MAP_SHARED)

    @contextmanager
    def locked(self, lock: int) -> Iterator[mmap.mmap]:
        """Hold lock number *lock* (0, 1, ...) against the other host processes; not recursive."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, lock)
        try:
            yield self.data
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, lock)

    def holders(self) -> set[int]:
        """The host processes that have this memory: its maker and who was forked from it; from /proc."""
        own, found = os.fstat(self._fd), set()
        for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
            with suppress(OSError):
                if name.isdigit() and os.path.samestat(os.stat(f"/proc/{name}/fd/{self._fd}"), own):
                    found.add(int(name))
        return found

    def close(self) -> None:
        """Give mapping and descriptor back; idempotent."""
        if not self.data.closed:
            self.data.close()
            os.close(self._fd)
