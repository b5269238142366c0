"""File pages behind mappings: what is mapped, and filling private pages when they are first touched.

Private mappings are copied with pread and never mapped on the host, so a file
that is truncated meanwhile cannot bring a host SIGBUS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from uprobe_core.types import FileId
from uprobe_linux.cpu import PAGE
from uprobe_linux.memory.arena import Arena

__all__ = ("CLUSTER_PAGES", "FileImage", "HostFile", "MappedFile")

CLUSTER_PAGES = 16
"""Pages read at once around the one that is touched."""


class HostFile:
    """A host descriptor of our own, closed when the last mapping that needs it is gone."""

    def __init__(self, fd: int, *, given: bool = False) -> None:
        """:param given: *fd* is ours from now on; else a duplicate is."""
        self.fd = -1
        self.fd = fd if given else os.dup(fd)

    def __del__(self) -> None:
        if self.fd >= 0:  # there was a descriptor left for it
            os.close(self.fd)

    def stamp(self) -> tuple[int, ...]:
        """Device, inode, size and times of change: another one means that the file has changed."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self.fd).st_size


@dataclass(frozen=True, slots=True)
class MappedFile:
    """The identity of a mapped file.

    :param path: as the guest names it
    :param host: for shared mappings (which follow the file's size), else None
    :param nameless: nobody can reach it but through its mappings, so its size stays
    """

    file_id: FileId
    path: str
    host: HostFile | None = None
    writable: bool = True
    nameless: bool = False


class FileImage:
    """A private copy of a file range in the arena, filled by clusters.

    :param physical: arena address that shows file position *offset*
    :param size: bytes, a multiple of PAGE
    :ivar host: the file
    :ivar stamp: what it was when it was mapped
    """

    def __init__(self, arena: Arena, host: HostFile, physical: int, size: int, offset: int) -> None:
        self._view = arena.view
        self.host = host
        self._physical = physical
        self._offset = offset
        self._done = bytearray(size // PAGE)
        self.stamp = host.stamp()
        self._limit = self.stamp[2]

    def was_read(self, stamp: tuple[int, ...], *, whole: bool) -> None:
        """It was mapped when the file was *stamp*, and is read if it is *whole*."""
        self.stamp, self._limit = stamp, stamp[2]
        if whole:
            self._done = bytearray(b"\1" * len(self._done))

    def ensure(self, physical: int, size: int) -> int:
        """Fill [physical, physical + size) and answer how many of these bytes lie in pages of the file."""
        first = (physical - self._physical) // PAGE
        last = (physical + size - 1 - self._physical) // PAGE + 1
        page = self._done.find(0, first, last)
        if page < 0:
            return size
        while page >= 0:
            if not self._fill(page):
                return max(self._physical + page * PAGE - physical, 0)
            page = self._done.find(0, page, last)
        return size

    def filled(self, physical: int, start: int, size: int) -> tuple[int, int]:
        """[low, high) of [start, start + size) around the page *physical* that were filled."""
        done, page = self._done, (physical - self._physical) // PAGE
        first = (start - self._physical) // PAGE
        stop = done.find(0, page, first + size // PAGE)
        low = max(done.rfind(0, first, page) + 1, first)
        high = stop if stop >= 0 else first + size // PAGE
        return self._physical + low * PAGE, self._physical + high * PAGE

    def _fill(self, page: int) -> bool:
        """Read the cluster around *page*; False if the page lies beyond the end of the file."""
        if self._offset + page * PAGE >= self._limit:
            self._limit = self.host.size()
            if self._offset + page * PAGE >= self._limit:
                return False
        start = page - page % CLUSTER_PAGES
        while self._done[start]:
            start += 1
        end = start
        stop = min(len(self._done), start + CLUSTER_PAGES)
        while end < stop and not self._done[end] and self._offset + end * PAGE < self._limit:
            end += 1
        if not start <= page < end:
            start, end = page, page + 1
        self._read(start, end)
        return True

    def _read(self, start: int, end: int) -> None:
        low = self._physical + start * PAGE
        os.preadv(self.host.fd, [self._view[low : low + (end - start) * PAGE]], self._offset + start * PAGE)
        self._done[start:end] = b"\1" * (end - start)

    def end(self) -> int:
        """The position behind the last page that the file has by now."""
        self._limit = self.host.size()
        return (self._limit + PAGE - 1) & -PAGE

    def retire(self, physical: int, size: int) -> None:
        """The arena range is no longer ours: a cluster around it must not be read into it."""
        first = (physical - self._physical) // PAGE
        self._done[first : first + size // PAGE] = b"\1" * (size // PAGE)

    def forget(self, physical: int, size: int) -> None:
        """The arena pages were discarded (MADV_DONTNEED): fill them from the file again."""
        first = (physical - self._physical) // PAGE
        self._done[first : first + size // PAGE] = bytes(size // PAGE)
