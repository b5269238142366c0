"""Guest memory as the kernel side reaches it: copies, windows, words, strings, breakpoints.

Every function raises MemoryFault for the first byte that the guest could not
access in the same way; what lies before it may have been stored.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from uprobe_core.types import Access, FaultKind, MemoryFault
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.memory.translation import NAMES, TAG_MASK, Translation
from uprobe_linux.memory.vma import HARDWARE, Vma

__all__ = ("KernelAccess",)

_READ, _WRITE = int(Perm.READ), int(Perm.WRITE)
"""As plain numbers: an operation on an enumeration takes a microsecond."""


class KernelAccess(Translation):
    """Reads and writes of a process's memory from outside the CPU."""

    def spans(self, address: int, size: int, access: int) -> Iterator[tuple[int, int]]:
        """(physical, length) pieces of [address, address + size); MemoryFault at the first refused byte.

        :param access: a Perm bit; 0: whatever is mapped, even without permission
        """
        address &= TAG_MASK
        end = address + size
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                raise MemoryFault(address, NAMES.get(access, Access.READ))
            if access and not vma.hardware & access:
                raise MemoryFault(address, NAMES[access], FaultKind.ACCERR)
            if vma.physical < 0:
                vma = self._back(vma, address)
            physical = vma.physical + address - vma.start
            length = min(end, vma.end) - address
            if vma.file is not None:
                length = self._within(vma, physical, length, access)
            yield physical, length
            address += length

    def _in_one_piece(self, address: int, size: int, access: int) -> int:
        """The physical address of [address, address + size) if that is plainly accessible memory of one
        mapping, -1 if it takes a closer look; what nearly every call asks for.

        :param access: as for :meth:`spans`
        """
        address &= TAG_MASK
        vma = self.vmas.find(address)
        if vma is None or vma.physical < 0 or address + size > vma.end:
            return -1
        if access and not HARDWARE[vma.prot] & access:
            return -1
        physical = vma.physical + address - vma.start
        if vma.file is None:
            return physical
        return physical if vma.image is not None and vma.image.ensure(physical, size) >= size else -1

    def _within(self, vma: Vma, physical: int, length: int, access: int) -> int:
        present = self._present(vma, physical, length)
        if present <= 0:
            address = vma.start + physical - vma.physical
            raise MemoryFault(address, NAMES.get(access, Access.READ), FaultKind.ADRERR)
        return present

    def plain_page(self, page: int) -> int:
        """Where *page* lies if the program may write it and nobody has to be told of that, else -1."""
        vma = self.vmas.find(page)
        if vma is None or (vma.shared and vma.file is not None) or page in self.code.pages:
            return -1
        try:
            ((physical, length), *_) = self.spans(page, PAGE, _WRITE)
        except MemoryFault:
            return -1
        return physical if length == PAGE else -1

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes of the data view; raises MemoryFault."""
        view = self.arena.view
        physical = self._in_one_piece(address, size, _READ)
        if physical >= 0:
            return bytes(view[physical : physical + size])
        pieces = list(self.spans(address, size, _READ))
        if len(pieces) == 1:
            physical, length = pieces[0]
            return bytes(view[physical : physical + length])
        return b"".join(view[physical : physical + length] for physical, length in pieces)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store through the guest's permissions; what lies before a fault is stored."""
        size = len(data)
        physical = self._in_one_piece(address, size, _WRITE)
        if physical < 0:
            self._store(address, data, _WRITE)
            return
        self.arena.view[physical : physical + size] = data
        self.wrote(address, size)

    def poke(self, address: int, data: bytes) -> None:
        """Store whatever the permission is; raises MemoryFault if unmapped."""
        for vma in self.vmas.overlapping(address, address + len(data)):
            vma.changed = True
        self._store(address, data, 0)

    def force(self, address: int, data: bytes) -> None:
        """Store as a debugger does: what is shared and not writable is refused; raises MemoryFault."""
        for vma in self.vmas.overlapping(address, address + len(data)):
            if vma.shared and not vma.hardware & _WRITE:
                raise MemoryFault(max(address, vma.start), Access.WRITE, FaultKind.ACCERR)
        self.poke(address, data)

    def _store(self, address: int, data: bytes | bytearray | memoryview, access: int) -> None:
        view = self.arena.view
        done = 0
        try:
            for physical, length in self.spans(address, len(data), access):
                view[physical : physical + length] = data[done : done + length]
                done += length
        finally:
            self.wrote(address, done)

    def wrote(self, address: int, size: int) -> None:
        """[address, address + size) was stored to through :meth:`views`: keep executed code coherent."""
        address &= TAG_MASK
        if self.code.pages and size:
            self.code.host_wrote(address, address + size)
        if self.shared_code:
            for vma in self.vmas.overlapping(address, address + size):
                self.shared_code.stored_range(vma, address, address + size)

    def file_written(self) -> None:
        """A file was written by a system call: code in shared mappings may be another one by now."""
        if self.shared_code:
            self.shared_code.written()

    def punch(self, start: int, size: int) -> None:
        """MADV_REMOVE: free the backing store; OSError EINVAL for private mappings."""
        for vma in self.vmas.overlapping(start, start + size):
            if not vma.shared or vma.file is None or vma.file.host is None:
                raise OSError(errno.EINVAL, "not a shared mapping")
            low, high = max(vma.start, start), min(vma.end, start + size)
            self.arena.remove(vma.physical + low - vma.start, high - low)

    def synchronise(self, start: int, end: int) -> None:
        """msync(MS_SYNC): write shared pages to their files."""
        for vma in self.vmas.overlapping(start, end):
            if vma.shared and vma.physical >= 0:
                low, high = max(vma.start, start), min(vma.end, end)
                self.arena.synchronise(vma.physical + low - vma.start, high - low)

    def views(self, address: int, size: int, access: int) -> list[memoryview]:
        """Windows onto [address, address + size), for readv and the like; :meth:`wrote` follows a store."""
        view, access = self.arena.view, int(access)
        physical = self._in_one_piece(address, size, access) if size else -1
        if physical >= 0:
            return [view[physical : physical + size]]
        return [view[physical : physical + length] for physical, length in self.spans(address, size, access)]

    def accessible(self, address: int, size: int, access: int) -> int:
        """How many bytes from *address* on can be accessed, at most *size*."""
        done, access = 0, int(access)
        if self._in_one_piece(address, size, access) >= 0:
            return size
        try:
            for _, length in self.spans(address, size, access):
                done += length
        except MemoryFault:
            pass
        return done

    def read_cstr(self, address: int, limit: int = PAGE) -> bytes:
        """The bytes up to, not including, a NUL; OSError ENAMETOOLONG if none within *limit* bytes."""
        view = self.arena.view
        found = b""
        for physical, length in self.spans(address, limit, _READ):
            for start in range(physical, physical + length, 256):
                piece = bytes(view[start : min(start + 256, physical + length)])
                end = piece.find(0)
                if end >= 0:
                    return found + piece[:end]
                found += piece
        raise OSError(errno.ENAMETOOLONG, "no end of string")

    def read_u32(self, address: int) -> int:
        """Little-endian unsigned 32-bit word."""
        return int.from_bytes(self.read(address, 4), "little")

    def read_u64(self, address: int) -> int:
        """Little-endian unsigned 64-bit word."""
        return int.from_bytes(self.read(address, 8), "little")

    def write_u32(self, address: int, value: int) -> None:
        """Store the low 32 bits of *value*."""
        self.write(address, (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def write_u64(self, address: int, value: int) -> None:
        """Store the low 64 bits of *value*."""
        self.write(address, (value & (1 << 64) - 1).to_bytes(8, "little"))

    def read_any(self, address: int, size: int) -> bytes:
        """Like read, whatever the permission is."""
        view = self.arena.view
        physical = self._in_one_piece(address, size, 0)
        if physical >= 0:
            return bytes(view[physical : physical + size])
        return b"".join(
            view[physical : physical + length] for physical, length in self.spans(address, size, 0)
        )

    def store_raw(self, address: int, data: bytes) -> None:
        """Store whatever the permission is, leaving stale translations to the caller."""
        for physical, length in self.spans(address, len(data), 0):
            self.arena.view[physical : physical + length] = data

    def insert_trap(self, address: int, insn: bytes) -> None:
        """Show *insn* to fetches at *address* only; raises MemoryFault if nothing is mapped there."""
        page = address & -PAGE
        physical = self._in_one_piece(page, PAGE, 0)
        if physical < 0:
            ((physical, _),) = self.spans(page, PAGE, 0)
        self.code.insert(address, insn, physical)

    def forget_code(self, address: int, size: int = 4) -> None:
        """Forget translations of [address, address + size), which lie in one page."""
        self.code.forget(address, size)

    def fetch_word(self, address: int) -> int:
        """The instruction word at *address* without invisible breakpoints; -1: none."""
        try:
            return int.from_bytes(self.read(address, 4), "little")
        except MemoryFault:
            return -1
