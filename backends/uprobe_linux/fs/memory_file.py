"""/proc/PID/mem: a process's memory as a file (fs/proc/base.c, mem_rw); what debuggers read and write by.

Permissions do not count, as they do not for a debugger: what is mapped is
there to be read, and what is private is there to be written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

from uprobe_core.types import Access, MemoryFault
from uprobe_linux.cpu import PAGE
from uprobe_linux.fs import oflags
from uprobe_linux.fs.descriptors import Buffers, Description
from uprobe_linux.fs.nodes import Memory, Node, VMemory
from uprobe_linux.fs.stat_pack import Status, of_virtual

__all__ = ("MemoryFile",)

_END = 1 << 48
"""The first address that no program has; a tag is not taken off a position."""


class MemoryFile(Description):
    """An opening of it: goes on showing the memory of then after an exec; the position is a memfd's."""

    kind = "memory"
    __slots__ = ("access", "memory", "virtual")

    def __init__(self, node: VMemory, flags: int) -> None:
        super().__init__(path=node.path)
        self.virtual = node
        self.access = flags & oflags.G_ACCMODE
        self.memory: Memory = node.memory()

    def node(self, host: int) -> Node:
        """The node itself."""
        return self.virtual

    def status(self, host: int, now: int) -> Status:
        """The node's."""
        return of_virtual(self.virtual, now)

    def flags(self, host: int) -> int:
        """What the guest opened it with."""
        return self.access | oflags.G_LARGEFILE

    def set_flags(self, host: int, flags: int) -> None:
        """None that could be set means anything here."""

    def read(self, host: int, buffers: Buffers) -> int:
        """Read at the position, which moves on."""
        return self._moved(host, self.pread(host, buffers, os.lseek(host, 0, os.SEEK_CUR)))

    def write(self, host: int, buffers: Buffers) -> int:
        """Write at the position, which moves on."""
        return self._moved(host, self.pwrite(host, buffers, os.lseek(host, 0, os.SEEK_CUR)))

    @staticmethod
    def _moved(host: int, size: int) -> int:
        os.lseek(host, size, os.SEEK_CUR)
        return size

    def pread(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """Up to the first page that is not there; EIO if that is the first one."""

        def read(address: int, piece: memoryview) -> None:
            piece[:] = self.memory.read_any(address, len(piece))

        return self._each(oflags.G_WRONLY, buffers, offset, read)

    def pwrite(self, host: int, buffers: Buffers, offset: int, flags: int = 0) -> int:
        """Up to the first page that is not there or shared and not writable; EIO if that is the first one."""
        return self._each(
            oflags.G_RDONLY, buffers, offset, lambda at, piece: self.memory.force(at, bytes(piece))
        )

    def _each(
        self, excluded: int, buffers: Buffers, offset: int, transfer: Callable[[int, memoryview], None]
    ) -> int:
        """*transfer* page by page until one faults; bytes. EBADF when opened with access mode *excluded*."""
        if self.access == excluded:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        address = offset
        try:
            for piece in _pages(buffers, offset):
                if not 0 <= address < _END:
                    raise MemoryFault(address, Access.READ)
                transfer(address, piece)
                address += len(piece)
        except MemoryFault:
            if address == offset:
                raise OSError(errno.EIO, os.strerror(errno.EIO)) from None
        return address - offset


def _pages(buffers: Buffers, address: int) -> Iterator[memoryview]:
    """Pieces of *buffers*, none of which crosses a page of the memory from *address* on."""
    for buffer in buffers:
        rest = memoryview(buffer)
        while rest:
            size = min(len(rest), PAGE - address % PAGE)
            yield rest[:size]
            rest = rest[size:]
            address += size
