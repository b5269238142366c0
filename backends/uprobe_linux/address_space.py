"""Guest memory of one process: mappings, translation, and access by the kernel side.

The page table is ours: :meth:`AddressSpace.fill` answers the emulator, the
other methods do what mm/mmap.c, mm/mprotect.c and mm/mremap.c do.  Addresses
are masked to 56 bits first (top byte ignored).  Everything raises MemoryFault
for addresses that the guest could not access and OSError for refusals.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import cache

from uprobe_core.types import Access, Fault, FaultKind, Mapping, MemoryFault
from uprobe_linux.arena import Arena
from uprobe_linux.code_pages import CodePages
from uprobe_linux.cpu import HOLE, PAGE, Cpu, Perm
from uprobe_linux.file_image import FileImage, HostFile, MappedFile
from uprobe_linux.vma import HARDWARE, Vma, VmaList

__all__ = ("MAP_WINDOW", "MMAP_BASE", "STACK_TOP", "TASK_SIZE", "AddressSpace", "page_up", "untagged")

TASK_SIZE = 1 << 52
"""First address that cannot be mapped: the kernel has 52-bit addresses, but gives them only to who asks."""
MAP_WINDOW = 1 << 48
"""First address that mmap does not give by itself (DEFAULT_MAP_WINDOW)."""
STACK_TOP = MAP_WINDOW
MMAP_BASE = STACK_TOP - (128 << 20)
"""Top of the mmap area: STACK_TOP less the minimal stack gap of 128 MiB (mm/util.c mmap_base, no ASLR)."""
MMAP_MIN = 0x10000
"""vm.mmap_min_addr is 64 KiB on arm64 Debian."""
MAX_MAPPINGS = 65530
"""vm.max_map_count."""

TAG_MASK = (1 << 56) - 1
_PAGE_BITS = TAG_MASK & -PAGE
_READ_WRITE, _EXEC = int(Perm.READ | Perm.WRITE), int(Perm.EXEC)
_REFUSED = (HOLE, 0)
WHOLE = 64 << 20
"""A mapping up to this many bytes gets its arena in one piece, a larger one by CHUNK when touched."""
CHUNK = 4 << 20

_ACCESS = {Access.READ: Perm.READ, Access.WRITE: Perm.WRITE, Access.FETCH: Perm.EXEC}
_NAMES = {int(perm): access for access, perm in _ACCESS.items()}


def _ignore(*_: object) -> None:
    """What nobody listens to."""


@cache
def _host_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")


def untagged(address: int) -> int:
    """*address* without its tag byte, if it is a user address (untagged_addr in asm/uaccess.h)."""
    return address if address >> 55 & 1 else address & TAG_MASK


def page_up(size: int) -> int:
    """*size* rounded up to whole pages."""
    return (size + PAGE - 1) & -PAGE


class AddressSpace:
    """The memory of one process.

    :param limit: bytes of accessible memory that may be mapped, None: no limit
    """

    def __init__(self, arena: Arena, cpu: Cpu, limit: int | None = None) -> None:
        self.arena = arena
        self.vmas = VmaList()
        self.limit = limit
        self.committed = 0
        """Bytes of accessible mappings."""
        self.refused = 0
        """Times that *limit* was in the way."""
        self.brk_start = self.brk_end = 0
        self.on_map: Callable[[Mapping], None] = _ignore
        self.on_unmap: Callable[[int, int], None] = _ignore
        self.on_reserve: Callable[[int, int], None] | None = None
        """Called with a range that the program is about to map: what a backend hid there has to go."""
        self.on_code_written: Callable[[int, int], None] = _ignore
        self._cpu = cpu
        self.code = CodePages(arena, cpu, self._code_written)

    def _code_written(self, start: int, end: int) -> None:
        self.on_code_written(start, end)

    # --- translation ---------------------------------------------------------------------------

    def fill(self, address: int, access: int) -> tuple[int, int]:
        """The emulator's translation miss: (physical page, Perm bits), or (HOLE, 0) for a refused access."""
        page = address & _PAGE_BITS
        vma = self.vmas.find(page)
        if vma is None:
            return _REFUSED
        prot = HARDWARE[vma.prot]
        if not prot & access:
            return _REFUSED
        if vma.physical < 0:
            try:
                vma = self._back(vma, page)
            except MemoryFault:
                return _REFUSED
        physical = vma.physical + page - vma.start
        if vma.file is not None and self._present(vma, physical, PAGE) < PAGE:
            return _REFUSED
        if access == _EXEC:
            return self.code.fetch(page, physical, prot)
        code = self.code.pages.get(page)
        if code is not None:
            return self.code.data(page, code, access, prot)
        return physical, prot & _READ_WRITE

    def span(self, page: int) -> tuple[int, int] | None:
        """[start, end) around *page* whose data accesses translate alike, None if that is the page alone."""
        vma = self.vmas.find(page)
        if vma is None or vma.file is not None or vma.physical < 0 or self.code.any_in(vma.start, vma.end):
            return None
        return vma.start, vma.end

    def fault_for(self, address: int, access: Access) -> Fault | None:
        """What an access by the guest at *address* would raise, None if it would succeed; pc is 0."""
        kind = self.refusal(address, _ACCESS[access])
        return None if kind is None else Fault(kind, 0, address, access)

    def refusal(self, address: int, access: int) -> FaultKind | None:
        """Why an access (one Perm bit) at *address* is refused, None if it is not."""
        address &= TAG_MASK
        vma = self.vmas.find(address)
        if vma is None:
            return FaultKind.MAPERR
        if not vma.hardware & access:
            return FaultKind.ACCERR
        if vma.physical < 0:
            try:
                vma = self._back(vma, address)
            except MemoryFault as fault:
                return fault.kind
        page = address & -PAGE
        if vma.file is not None and self._present(vma, vma.physical + page - vma.start, PAGE) < PAGE:
            return FaultKind.ADRERR
        return None

    def _back(self, vma: Vma, address: int) -> Vma:
        """Give the part of *vma* around *address* its arena; returns that part.

        Raises MemoryFault (a bus error) when the arena is used up, where a kernel would kill somebody.
        """
        if vma.end - vma.start > WHOLE:
            start = max(address & -CHUNK, vma.start)
            (vma,) = self.vmas.carve(start, min((address & -CHUNK) + CHUNK, vma.end))
        try:
            vma.physical = self.arena.allocate(vma.end - vma.start)
        except OSError:
            raise MemoryFault(address, Access.WRITE, FaultKind.ADRERR) from None
        return vma

    def _present(self, vma: Vma, physical: int, size: int) -> int:
        """How many of *size* bytes from *physical* lie within the mapped file; fills private pages."""
        if vma.image is not None:
            return vma.image.ensure(physical, size)
        file = vma.file
        if file is None or file.host is None:
            return size
        position = vma.offset + physical - vma.physical
        return max(min(page_up(file.host.size()) - position, size), 0)

    # --- access by the kernel side -------------------------------------------------------------

    def spans(self, address: int, size: int, access: int) -> Iterator[tuple[int, int]]:
        """(physical, length) pieces of [address, address + size); MemoryFault at the first refused byte.

        :param access: a Perm bit; 0: whatever is mapped, even without permission
        """
        address &= TAG_MASK
        end = address + size
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                raise MemoryFault(address, _NAMES.get(access, Access.READ))
            if access and not vma.hardware & access:
                raise MemoryFault(address, _NAMES[access], FaultKind.ACCERR)
            if vma.physical < 0:
                vma = self._back(vma, address)
            physical = vma.physical + address - vma.start
            length = min(end, vma.end) - address
            if vma.file is not None:
                length = self._within(vma, physical, length, access)
            yield physical, length
            address += length

    def _within(self, vma: Vma, physical: int, length: int, access: int) -> int:
        present = self._present(vma, physical, length)
        if present <= 0:
            address = vma.start + physical - vma.physical
            raise MemoryFault(address, _NAMES.get(access, Access.READ), FaultKind.ADRERR)
        return present

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes of the data view; raises MemoryFault."""
        view = self.arena.view
        pieces = list(self.spans(address, size, Perm.READ))
        if len(pieces) == 1:
            physical, length = pieces[0]
            return bytes(view[physical : physical + length])
        return b"".join(view[physical : physical + length] for physical, length in pieces)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store through the guest's permissions; what lies before a fault is stored."""
        self._store(address, data, Perm.WRITE)

    def poke(self, address: int, data: bytes) -> None:
        """Store whatever the permission is; raises MemoryFault if unmapped."""
        self._store(address, data, 0)

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

    def views(self, address: int, size: int, access: int) -> list[memoryview]:
        """Windows onto [address, address + size), for readv and the like; :meth:`wrote` follows a store."""
        view = self.arena.view
        return [view[physical : physical + length] for physical, length in self.spans(address, size, access)]

    def accessible(self, address: int, size: int, access: int) -> int:
        """How many bytes from *address* on can be accessed, at most *size*."""
        done = 0
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
        for physical, length in self.spans(address, limit, Perm.READ):
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
        ((physical, _),) = self.spans(page, PAGE, 0)
        self.code.insert(address, insn, physical)

    def forget_code(self, address: int) -> None:
        """Forget translations of the page of *address*."""
        self.code.forget(address & -PAGE)

    def fetch_word(self, address: int) -> int:
        """The instruction word at *address* without invisible breakpoints; -1: none."""
        try:
            return int.from_bytes(self.read(address, 4), "little")
        except MemoryFault:
            return -1

    # --- mapping -------------------------------------------------------------------------------

    def find_gap(self, size: int) -> int:
        """Start of a free range of *size* bytes: top down, then bottom up; OSError ENOMEM."""
        start = self.vmas.highest_gap(size, MMAP_MIN, MMAP_BASE)
        if start is None:
            start = self.vmas.lowest_gap(size, MAP_WINDOW // 4, MAP_WINDOW)
        if start is None:
            raise OSError(errno.ENOMEM, "no free address range")
        return start

    def map(
        self,
        start: int,
        size: int,
        prot: Perm,
        *,
        shared: bool = False,
        file: MappedFile | None = None,
        host: HostFile | None = None,
        offset: int = 0,
        label: str = "",
    ) -> Vma:
        """Map [start, start + size), replacing what was there (MAP_FIXED).

        :param host: the file's descriptor, needed with *file*; and for shared anonymous memory
        """
        end = start + size
        self._check_room(prot, size, start, end)
        self.unmap(start, size)
        if self.on_reserve is not None:
            self.on_reserve(start, end)
        vma = Vma(start, end, prot, shared=shared, file=file, offset=offset, label=label)
        if host is not None:
            self._attach(vma, host, shared)
        self._charge(vma, 1)
        self.vmas.insert(vma)
        if file is not None:
            self.on_map(self._mapping(vma))
        return vma

    def _attach(self, vma: Vma, host: HostFile, shared: bool) -> None:
        size = vma.end - vma.start
        vma.physical = self.arena.allocate(size)
        if not shared:
            vma.image = FileImage(self.arena, host, vma.physical, size, vma.offset)
            return
        try:
            self.arena.attach(vma.physical, size, host.fd, vma.offset)
        except OSError:
            self.arena.release(vma.physical, size)
            raise

    @staticmethod
    def check_overcommit(size: int, prot: Perm) -> None:
        """OSError ENOMEM for more writable memory than the host has (vm.overcommit_memory 0)."""
        if prot & Perm.WRITE and size > _host_memory():
            raise OSError(errno.ENOMEM, "more than there is")

    def _check_room(self, prot: Perm, size: int, start: int, end: int) -> None:
        if len(self.vmas) >= MAX_MAPPINGS:
            raise OSError(errno.ENOMEM, "too many mappings")
        if self.limit is None or not prot:
            return
        reused = sum(
            min(v.end, end) - max(v.start, start) for v in self.vmas.overlapping(start, end) if v.prot
        )
        if self.committed + size - reused > self.limit:
            self.refused += 1
            raise OSError(errno.ENOMEM, "memory limit")

    def _charge(self, vma: Vma, sign: int) -> None:
        if vma.prot:
            self.committed += sign * (vma.end - vma.start)

    def unmap(self, start: int, size: int) -> None:
        """Unmap [start, start + size); holes in it are fine."""
        end = start + size
        victims = self.vmas.carve(start, end)
        if not victims:
            return
        if any(vma.file is not None for vma in victims) or self.code.pages:
            self.on_unmap(start, end)
            victims = self.vmas.carve(start, end)
        self.code.drop(start, end)
        for vma in victims:
            self.vmas.remove(vma)
            self._charge(vma, -1)
            self._release(vma)
        self._cpu.flush(start, end)

    def _release(self, vma: Vma) -> None:
        if vma.physical < 0:
            return
        if vma.image is not None:
            vma.image.retire(vma.physical, vma.end - vma.start)
        if vma.shared:
            self.arena.detach(vma.physical, vma.end - vma.start)
        self.arena.release(vma.physical, vma.end - vma.start)

    def protect(self, start: int, size: int, prot: Perm) -> None:
        """mprotect: OSError ENOMEM if a page is not mapped, EACCES for a shared file that is read-only."""
        end = start + size
        at = start
        parts = self.vmas.carve(start, end)
        for vma in parts:
            if vma.start != at:
                raise OSError(errno.ENOMEM, "not mapped")
            if vma.shared and vma.file and prot & Perm.WRITE and not vma.file.writable:
                raise OSError(errno.EACCES, "file is read-only")
            self._reprotect(vma, prot)
            at = vma.end
        if at != end:
            raise OSError(errno.ENOMEM, "not mapped")

    def _reprotect(self, vma: Vma, prot: Perm) -> None:
        size = vma.end - vma.start
        if not vma.prot and prot:
            self._check_room(prot, size, 0, 0)
        self._charge(vma, -1)
        removed = vma.prot & ~prot
        became_executable = prot & ~vma.prot & Perm.EXEC
        vma.prot = prot
        self._charge(vma, 1)
        if removed:
            self._cpu.flush(vma.start, vma.end)
        if became_executable and vma.file is not None:
            self.on_map(self._mapping(vma))

    def move(self, start: int, old: int, target: int, size: int) -> None:
        """mremap with a new place: [target, target + size) must be free; shrinks or grows as it goes."""
        self._check_room(Perm.READ, max(size - old, 0), 0, 0)
        if size < old:
            self.unmap(start + size, old - size)
        pieces = self.vmas.carve(start, start + min(old, size))
        last = pieces[-1]
        self.code.drop(start, start + min(old, size))
        for vma in pieces:
            self.vmas.remove(vma)
            vma.start, vma.end = vma.start - start + target, vma.end - start + target
            self.vmas.insert(vma)
        self._cpu.flush()
        if size > old:
            self.extend(last, target + size)

    def extend(self, vma: Vma, end: int) -> None:
        """Grow *vma* up to *end* by a part of its own; the range must be free."""
        self._check_room(vma.prot, end - vma.end, 0, 0)
        offset = vma.offset + vma.end - vma.start if vma.file else 0
        part = Vma(vma.end, end, vma.prot, shared=vma.shared, file=vma.file, offset=offset, label=vma.label)
        if vma.file is not None and vma.file.host is not None:
            self._attach(part, vma.file.host, vma.shared)
        self._charge(part, 1)
        self.vmas.insert(part)

    def discard(self, start: int, size: int) -> None:
        """MADV_DONTNEED: private pages read as zero or as the file again."""
        for vma in self.vmas.carve(start, start + size):
            if vma.physical < 0 or vma.shared:
                continue
            self.arena.discard(vma.physical, vma.end - vma.start)
            if vma.image is not None:
                vma.image.forget(vma.physical, vma.end - vma.start)
            self.wrote(vma.start, vma.end - vma.start)
            self._cpu.flush(vma.start, vma.end)

    def punch(self, start: int, size: int) -> None:
        """MADV_REMOVE: free the backing store; OSError EINVAL for private mappings."""
        for vma in self.vmas.overlapping(start, start + size):
            if not vma.shared or vma.file is None or vma.file.host is None:
                raise OSError(errno.EINVAL, "not a shared mapping")
            low, high = max(vma.start, start), min(vma.end, start + size)
            self.arena.remove(vma.physical + low - vma.start, high - low)

    def set_wipe(self, start: int, size: int, wipe: bool) -> None:
        """MADV_WIPEONFORK and KEEPONFORK; OSError EINVAL for shared and file mappings."""
        for vma in self.vmas.carve(start, start + size):
            if vma.shared or vma.file is not None:
                raise OSError(errno.EINVAL, "not private anonymous memory")
            vma.wipe = wipe

    def wipe_after_fork(self) -> None:
        """In the child: pages under WIPEONFORK are zero."""
        for vma in [v for v in self.vmas if v.wipe]:
            self.discard(vma.start, vma.end - vma.start)

    def file_changed_size(self) -> None:
        """A file was truncated: pages beyond its end must not be reached through old translations."""
        if any(vma.shared and vma.file is not None for vma in self.vmas):
            self._cpu.flush()

    def synchronise(self, start: int, end: int) -> None:
        """msync(MS_SYNC): write shared pages to their files."""
        for vma in self.vmas.overlapping(start, end):
            if vma.shared and vma.physical >= 0:
                low, high = max(vma.start, start), min(vma.end, end)
                self.arena.synchronise(vma.physical + low - vma.start, high - low)

    def set_brk(self, address: int) -> int:
        """brk(2): the new end of the heap, or the old one if *address* is refused."""
        if address < self.brk_start or address > TASK_SIZE:
            return self.brk_end
        old, new = page_up(self.brk_end), page_up(address)
        if new > old:
            if not self.vmas.is_free(old, new):
                return self.brk_end
            try:
                self.check_overcommit(new - old, Perm.WRITE)
                self.map(old, new - old, Perm.READ | Perm.WRITE, label="[heap]")
            except OSError:
                return self.brk_end
        elif new < old:
            self.unmap(new, old - new)
        self.brk_end = address
        return address

    def release_all(self) -> None:
        """Unmap everything (exec, exit)."""
        self.code.drop(0, 1 << 56)
        for vma in list(self.vmas):
            self.vmas.remove(vma)
            self._release(vma)
        self.committed = 0
        self._cpu.flush()

    # --- what is mapped --------------------------------------------------------------------------

    def mappings(self) -> list[Mapping]:
        """All mappings, sorted; parts that a kernel shows as one are joined."""
        joined: list[Mapping] = []
        first: Vma | None = None
        last: Vma | None = None
        for vma in self.vmas:
            if last is not None and last.joins(vma):
                last = vma
                continue
            if first is not None and last is not None:
                joined.append(self._mapping(first, last.end))
            first = last = vma
        if first is not None and last is not None:
            joined.append(self._mapping(first, last.end))
        return joined

    @staticmethod
    def _mapping(vma: Vma, end: int = 0) -> Mapping:
        file = vma.file
        return Mapping(
            start=vma.start,
            end=end or vma.end,
            readable=bool(vma.prot & Perm.READ),
            writable=bool(vma.prot & Perm.WRITE),
            executable=bool(vma.prot & Perm.EXEC),
            shared=vma.shared,
            offset=vma.offset if file is not None else 0,
            file=file.file_id if file is not None else None,
            path=file.path if file is not None else vma.label,
        )
