"""Guest-physical memory: one host-backed arena, handed out in page ranges.

Reading guest memory is a slice of :attr:`Arena.view`.  Host pages appear when
they are touched and are given back when a range is freed; a range that was
never touched costs nothing, so the arena's size is address space only.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable

__all__ = ("ARENA_SIZE", "Arena")

ARENA_SIZE = 64 << 30
"""Bytes of guest-physical address space of one process."""

_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000  # mman.h on x86-64 and arm64 hosts


def _host_mmap() -> ctypes._NamedFuncPointer:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    number = ctypes.c_int
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, number, number, number, ctypes.c_long]
    return function


class Arena:
    """*size* bytes of zeroed, copy-on-fork memory; allocation by first fit over a sorted free list."""

    def __init__(self, size: int = ARENA_SIZE) -> None:
        self.size = size
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", _MAP_NORESERVE)
        self._map = mmap.mmap(-1, size, flags=flags)
        self.view = memoryview(self._map)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        """Host address of physical 0."""
        self._free: list[tuple[int, int]] = [(0, size)]
        self.lost_pages: Callable[[], int] = int
        """How many pages of attached files are empty ones of ours by now, since their files were made shorter
        at the moment of an access; where nobody catches that, the host ends the process."""
        self._mmap = _host_mmap()

    def allocate(self, size: int) -> int:
        """Physical address of *size* zeroed bytes (a multiple of PAGE); raises OSError ENOMEM."""
        for i, (start, end) in enumerate(self._free):
            if end - start >= size:
                if end - start == size:
                    del self._free[i]
                else:
                    self._free[i] = (start + size, end)
                return start
        raise OSError(errno.ENOMEM, "guest-physical memory is used up")

    def release(self, physical: int, size: int) -> None:
        """Give [physical, physical + size) back; its content is gone."""
        self.discard(physical, size)
        self._insert(physical, physical + size)

    def _insert(self, start: int, end: int) -> None:
        free = self._free
        low, high = 0, len(free)
        while low < high:
            middle = (low + high) // 2
            if free[middle][0] < start:
                low = middle + 1
            else:
                high = middle
        if low < len(free) and free[low][0] == end:
            end = free.pop(low)[1]
        if low and free[low - 1][1] == start:
            low -= 1
            start = free.pop(low)[0]
        free.insert(low, (start, end))

    def discard(self, physical: int, size: int) -> None:
        """Zero private pages by dropping them (MADV_DONTNEED)."""
        self._map.madvise(mmap.MADV_DONTNEED, physical, size)

    def attach(self, physical: int, size: int, fd: int, offset: int) -> None:
        """Show host file *fd* at [physical, physical + size), shared with everyone who maps it."""
        prot = mmap.PROT_READ
        if os.get_inheritable(fd) is not None and _writable(fd):
            prot |= mmap.PROT_WRITE
        self._map_fixed(physical, size, prot, mmap.MAP_SHARED, fd, offset)

    def detach(self, physical: int, size: int) -> None:
        """Undo attach: the range is private zeroed memory again."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        self._map_fixed(physical, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)

    def _map_fixed(self, physical: int, size: int, prot: int, flags: int, fd: int, offset: int) -> None:
        got = self._mmap(self.base + physical, size, prot, flags | _MAP_FIXED, fd, offset)
        if got != self.base + physical:
            raise OSError(ctypes.get_errno(), "host mmap failed")

    def remove(self, physical: int, size: int) -> None:
        """Free the store behind attached pages (MADV_REMOVE)."""
        self._map.madvise(mmap.MADV_REMOVE, physical, size)

    def synchronise(self, physical: int, size: int) -> None:
        """msync: write shared pages of the range to their file."""
        self._map.flush(physical, size)


def _writable(fd: int) -> bool:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
