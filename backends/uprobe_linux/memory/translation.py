"""The page table of one process: what the emulator's misses and the kernel side's accesses go by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from uprobe_core.types import Access, FaultKind, MemoryFault
from uprobe_linux.cpu import HOLE, PAGE, Cpu, Perm
from uprobe_linux.memory.arena import Arena
from uprobe_linux.memory.code_pages import CodePages
from uprobe_linux.memory.file_image import FileImage
from uprobe_linux.memory.shared_code import SharedCode
from uprobe_linux.memory.vma import HARDWARE, Vma, VmaList

__all__ = ("NAMES", "TAG_MASK", "Translation", "page_up", "untagged")

TAG_MASK = (1 << 56) - 1
"""An address without its tag byte, which loads and stores ignore."""
_PAGE_BITS = TAG_MASK & -PAGE
_READ_WRITE, _WRITE, _EXEC = int(Perm.READ | Perm.WRITE), int(Perm.WRITE), int(Perm.EXEC)
_REFUSED = (HOLE, 0)
WHOLE = 64 << 20
"""A mapping up to this many bytes gets its arena in one piece, a larger one by CHUNK when touched."""
CHUNK = 4 << 20

_ACCESS = {Access.READ: Perm.READ, Access.WRITE: Perm.WRITE, Access.FETCH: Perm.EXEC}
NAMES = {int(perm): access for access, perm in _ACCESS.items()}
"""Access by Perm bit."""


def untagged(address: int) -> int:
    """*address* without its tag byte, if it is a user address (untagged_addr in asm/uaccess.h)."""
    return address if address >> 55 & 1 else address & TAG_MASK


def page_up(size: int) -> int:
    """*size* rounded up to whole pages."""
    return (size + PAGE - 1) & -PAGE


def _ignore(*_: object) -> None:
    """What nobody listens to."""


class Behind(Protocol):
    """Mappings that were made without us."""

    @property
    def is_behind(self) -> bool:
        """Whether there are any."""
        ...

    def catch_up(self) -> None:
        """Put them into our list."""
        ...


class Translation:
    """Mappings, executed pages, and the way from an address to the arena."""

    def __init__(self, arena: Arena, cpu: Cpu) -> None:
        self.arena = arena
        self._vmas = VmaList()
        self.behind: Behind | None = None
        """What was mapped by somebody else and is not in the list yet."""
        self.on_code_written: Callable[[int, int], None] = _ignore
        self.kept_from_stores: frozenset[int] = frozenset()
        """Pages that cannot be written for now, whatever the program's permissions are."""
        self._cpu = cpu
        self.code = CodePages(arena, cpu, self._code_written)
        self.shared_code = SharedCode(cpu, self.code.changes)

    @property
    def vmas(self) -> VmaList:
        """What is mapped."""
        if self.behind is not None and self.behind.is_behind:
            self.behind.catch_up()
        return self._vmas

    def _code_written(self, start: int, end: int) -> None:
        self.on_code_written(start, end)

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
            if vma.shared and vma.file is not None:
                self.shared_code.fetched(vma, page)
            return self.code.fetch(page, physical, prot)
        if self.shared_code and vma.shared and vma.file is not None:
            if access == _WRITE:
                self.shared_code.stored(vma, page)
            else:
                prot &= ~_WRITE
        if page in self.kept_from_stores:
            if access == _WRITE:
                return _REFUSED
            prot &= ~_WRITE
        code = self.code.pages.get(page)
        if code is not None:
            return self.code.data(code, access, prot)
        return physical, prot & _READ_WRITE

    def forget_page(self, page: int) -> None:
        """The CPU asks once more where *page* is."""
        self._cpu.flush(page, page + PAGE)

    def span(self, page: int) -> tuple[int, int] | None:
        """[start, end) around *page* whose data accesses translate alike, None if that is the page alone."""
        if self.kept_from_stores:
            return None
        vma = self.vmas.find(page)
        if vma is None or vma.physical < 0:
            return None
        if vma.file is None:
            return self.code.none_around(page, vma.start, vma.end)
        if vma.image is None:
            return None
        start, end = self._filled(vma, vma.image, page)
        if not vma.hardware & _WRITE:  # reading code is reading its data page
            return start, end
        return self.code.none_around(page, start, end)

    def _filled(self, vma: Vma, image: FileImage, page: int) -> tuple[int, int]:
        """The part of *vma* around *page* that was read from its file."""
        low, high = image.filled(vma.physical + page - vma.start, vma.physical, vma.end - vma.start)
        return vma.start + low - vma.physical, vma.start + high - vma.physical

    def code_span(self, page: int) -> tuple[int, int] | None:
        """[start, end) around *page* whose fetches translate alike, None if that is the page alone."""
        vma = self.vmas.find(page)
        if vma is None or vma.shared or not self.code.is_plain(page):
            return None
        if vma.image is not None and not vma.hardware & _WRITE:
            self.code.fetch_around(page, *self._filled(vma, vma.image, page))
        return self.code.span(page, vma.start, vma.end)

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
