"""Guest memory of one process: what is mapped, and how that changes.

The methods do what mm/mmap.c, mm/mprotect.c and mm/mremap.c do.  Addresses
are masked to 56 bits first (top byte ignored).  Everything raises MemoryFault
for addresses that the guest could not access and OSError for refusals.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from uprobe_core.types import Mapping
from uprobe_linux.cpu import Cpu, Perm
from uprobe_linux.memory.arena import Arena
from uprobe_linux.memory.file_image import FileImage, HostFile, MappedFile
from uprobe_linux.memory.kept_code import KeptCode
from uprobe_linux.memory.kernel_access import KernelAccess
from uprobe_linux.memory.translation import page_up, untagged
from uprobe_linux.memory.vma import Vma

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
_READ, _WRITE, _EXEC = int(Perm.READ), int(Perm.WRITE), int(Perm.EXEC)
"""To be compared with int(prot): flags of an enum take twenty times as long."""
MAX_MAPPINGS = 65530
"""vm.max_map_count."""


def _ignore(*_: object) -> None:
    """What nobody listens to."""


@cache
def _host_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")


class AddressSpace(KernelAccess):
    """The memory of one process.

    :param limit: bytes of accessible memory that may be mapped, None: no limit
    :param kept: what former address spaces have left
    """

    def __init__(
        self, arena: Arena, cpu: Cpu, limit: int | None = None, kept: KeptCode | None = None
    ) -> None:
        super().__init__(arena, cpu)
        self.kept = kept or KeptCode(arena, cpu)
        self.limit = limit
        self.committed = 0
        """Bytes of accessible mappings."""
        self._lost_pages = 0
        self.refused = 0
        """Times that *limit* was in the way."""
        self.brk_start = self.brk_end = 0
        self.shares = False
        """Whether memory that others may see was ever mapped."""
        self.aio_contexts: dict[int, Any] = {}
        """Of io_setup, by address."""
        self.on_map: Callable[[Mapping], None] = _ignore
        self.on_unmap: Callable[[int, int], None] = _ignore
        self.on_move: Callable[[int, int], None] = _ignore
        """Called with a range with files that is about to lie elsewhere, which :attr:`on_map` then tells."""
        self.on_reserve: Callable[[int, int], None] | None = None
        """Called with a range that the program is about to map: what a backend hid there has to go."""

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
        self.shares |= shared
        if self.on_reserve is not None:
            self.on_reserve(start, end)
        vma = Vma(start, end, prot, shared=shared, file=file, offset=offset, label=label)
        vma.changed = bool(int(prot) & _WRITE)
        self._charge(vma, 1)
        kept = self._adopt(vma, host) if host is not None and not shared and int(prot) & _EXEC else 0
        rest = self._after(vma, kept) if kept else vma
        if rest is not None:
            if host is not None:
                self._attach(rest, host, shared)
            self.vmas.insert(rest)
        if file is not None:
            self.on_map(self._mapping(vma, end))
        return vma

    def add(self, vma: Vma) -> None:
        """*vma* was mapped by somebody else, in its place and in the arena; :meth:`tell` follows."""
        vma.changed = bool(int(vma.prot) & _WRITE)
        self._charge(vma, 1)
        self.vmas.insert(vma)

    def tell(self, vma: Vma) -> None:
        """Tell of a file that was mapped."""
        self.on_map(self._mapping(vma))

    def _adopt(self, vma: Vma, host: HostFile) -> int:
        """Let the start of *vma* be what was kept of the file; how many bytes, 0: nothing was."""
        kept = self.kept.take(host, vma.offset, vma.end - vma.start)
        if kept is None:
            return 0
        vma.physical, vma.image = kept.physical, kept.image
        self.code.adopt({vma.start + page: code for page, code in kept.live.items()})
        return kept.size

    def _after(self, vma: Vma, size: int) -> Vma | None:
        """Cut *vma*, of which *size* bytes were kept, and put it in place; returns what is left to map."""
        rest = None
        if vma.end - vma.start > size:
            at = vma.start + size
            rest = vma.from_inside(at)
            rest.physical, rest.image = -1, None
            vma.end = at
        self.vmas.insert(vma)
        return rest

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
        before, after = int(vma.prot), int(prot)
        removed = before & ~after
        became_executable = after & ~before & _EXEC
        vma.prot = prot
        self.vmas.version += vma.shared
        vma.changed |= bool(after & _WRITE)
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
        old = min(old, size)
        pieces = self.vmas.carve(start, start + old)
        if any(vma.file is not None for vma in pieces):
            self.on_move(start, start + old)
            pieces = self.vmas.carve(start, start + old)
        last = pieces[-1]
        self.code.drop(start, start + old)
        for vma in pieces:
            self.vmas.remove(vma)
            vma.start, vma.end = vma.start - start + target, vma.end - start + target
            self.vmas.insert(vma)
        self._cpu.flush()
        if size > old:
            self.extend(last, target + size)
        for vma in pieces:
            if vma.file is not None:
                self.on_map(self._mapping(vma))

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

    def set_wipe(self, start: int, size: int, wipe: bool) -> None:
        """MADV_WIPEONFORK and KEEPONFORK; OSError EINVAL for shared and file mappings."""
        for vma in self.vmas.carve(start, start + size):
            if vma.shared or vma.file is not None:
                raise OSError(errno.EINVAL, "not private anonymous memory")
            vma.wipe = wipe

    def wipe_after_fork(self) -> None:
        """In the child: pages under WIPEONFORK are zero, contexts of io_setup are the parent's."""
        self.aio_contexts.clear()
        for vma in [v for v in self.vmas if v.wipe]:
            self.discard(vma.start, vma.end - vma.start)

    def is_shared_to_write(self) -> bool:
        """Whether stores of other processes may be seen here, or ours there."""
        return self.shares and self.vmas.shared_to_write()

    def file_changed_size(self) -> None:
        """A file was truncated: pages beyond its end must not be reached through old translations."""
        if any(vma.shared and vma.file is not None and not vma.file.nameless for vma in self.vmas):
            self._attach_lost()
            self._cpu.flush()
        self._drop_copies()
        self.file_written()

    def _drop_copies(self) -> None:
        """Private pages beyond the ends of files go; programs stay, which a kernel does not let be cut."""
        programs = {vma.file.file_id for vma in self.vmas if vma.file and vma.prot & Perm.EXEC}
        for vma in list(self.vmas):
            if vma.image is None or vma.file is None or vma.file.file_id in programs:
                continue
            end = vma.start + max(vma.image.end() - vma.offset, 0)
            if end < vma.end:
                self.discard(end, vma.end - end)

    def _attach_lost(self) -> None:
        """Show files again where an access beyond a sudden end has put an empty page."""
        lost = self.arena.lost_pages()
        if lost == self._lost_pages:
            return
        self._lost_pages = lost
        for vma in self.vmas:
            if vma.shared and vma.physical >= 0 and vma.file is not None and vma.file.host is not None:
                self.arena.attach(vma.physical, vma.end - vma.start, vma.file.host.fd, vma.offset)

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
        """Unmap everything, for good: text stays for a mapping of the same file."""
        gone = [vma for vma in self.vmas if not self.kept.keep(vma, self.code)]
        self.vmas.clear()
        for vma in gone:
            self._release(vma)
        self.code.drop(0, 1 << 56)
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
        file, prot = vma.file, int(vma.prot)
        return Mapping(
            start=vma.start,
            end=end or vma.end,
            readable=bool(prot & _READ),
            writable=bool(prot & _WRITE),
            executable=bool(prot & _EXEC),
            shared=vma.shared,
            offset=vma.offset if file is not None else 0,
            file=file.file_id if file is not None else None,
            path=file.path if file is not None else vma.label,
        )
