"""The list of mappings of one address space: sorted, half open, page aligned, never overlapping."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_linux.cpu import Perm

if TYPE_CHECKING:
    from uprobe_linux.memory.file_image import FileImage, MappedFile

__all__ = ("HARDWARE", "Vma", "VmaList")


HARDWARE = tuple(prot | 1 if prot else 0 for prot in range(8))
"""What the page table allows for each PROT_*: writable or executable pages are readable."""


@dataclass(slots=True, eq=False)
class Vma:
    """One mapping, contiguous in the arena.

    :param start: first address, inclusive; *end* exclusive
    :param prot: as mmap or mprotect asked for it
    :param physical: arena address of *start*; -1 while the mapping takes no arena
    :param file: what is mapped, None for anonymous memory
    :param offset: position in the file of *start*, bytes
    :param image: how private file pages are filled; shared by the parts of a split
    :param label: "[stack]", "[heap]", ... or ""
    """

    start: int
    end: int
    prot: Perm
    physical: int = -1
    shared: bool = False
    file: MappedFile | None = None
    offset: int = 0
    image: FileImage | None = None
    label: str = ""
    wipe: bool = False
    """MADV_WIPEONFORK."""
    changed: bool = False
    """Whether its pages may differ from the file's: it was writable at some time, or was poked."""

    @property
    def hardware(self) -> int:
        """What the page table allows: writable or executable pages are readable (arm64 protection_map)."""
        return HARDWARE[self.prot]

    def from_inside(self, start: int) -> Vma:
        """What of this mapping lies from *start* on, as another one."""
        delta = start - self.start
        physical = -1 if self.physical < 0 else self.physical + delta
        offset = self.offset + delta if self.file else 0
        upper = Vma(start, self.end, self.prot, physical, self.shared, self.file, offset, self.image)
        upper.label, upper.wipe, upper.changed = self.label, self.wipe, self.changed
        return upper

    def joins(self, after: Vma) -> bool:
        """Whether *after* directly continues this mapping, so that a kernel shows one."""
        mine = (self.prot, self.shared, self.file, self.label, self.wipe)
        same = mine == (after.prot, after.shared, after.file, after.label, after.wipe)
        continued = self.file is None or after.offset == self.offset + self.end - self.start
        return self.end == after.start and same and continued


class VmaList:
    """The mappings in order, with lookup by bisection."""

    def __init__(self) -> None:
        self.version = 0
        """Changes with what is mapped where, and with the rights of shared mappings."""
        self._shared_to_write = -1, False
        """The version that the answer is of, and the answer."""
        self._vmas: list[Vma] = []
        self._starts: list[int] = []
        self._full: dict[tuple[int, int], tuple[int, int]] = {}
        """(high, bits of a size) -> (size, low): nothing of that size is free in [low, high)."""

    def __iter__(self) -> Iterator[Vma]:
        return iter(self._vmas)

    def __len__(self) -> int:
        return len(self._vmas)

    def shared_to_write(self) -> bool:
        """Whether a file is mapped shared and may be written to; asked at each slice."""
        if self._shared_to_write[0] != self.version:
            found = any(vma.shared and vma.file is not None and vma.prot & Perm.WRITE for vma in self._vmas)
            self._shared_to_write = self.version, found
        return self._shared_to_write[1]

    def find(self, address: int) -> Vma | None:
        """The mapping that contains *address*."""
        i = bisect_right(self._starts, address) - 1
        if i >= 0:
            vma = self._vmas[i]
            if address < vma.end:
                return vma
        return None

    def insert(self, vma: Vma) -> None:
        """Add *vma*; nothing may be mapped there."""
        i = bisect_left(self._starts, vma.start)
        self.version += 1
        self._vmas.insert(i, vma)
        self._starts.insert(i, vma.start)

    def remove(self, vma: Vma) -> None:
        """Take *vma* out."""
        i = bisect_left(self._starts, vma.start)
        self.version += 1
        del self._vmas[i], self._starts[i]
        above = self._starts[i] if i < len(self._starts) else 1 << 64
        for key, (size, low) in self._full.items():
            self._full[key] = size, max(low, above)

    def clear(self) -> None:
        """Nothing is mapped any more."""
        self.version += 1
        self._vmas.clear()
        self._starts.clear()
        self._full.clear()

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """The mappings that have a byte in [start, end)."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_left(self._starts, end)
        return [vma for vma in self._vmas[first:last] if vma.end > start]

    def split(self, address: int) -> None:
        """Make *address* a boundary, if it lies inside a mapping."""
        vma = self.find(address)
        if vma is None or vma.start == address:
            return
        upper = vma.from_inside(address)
        vma.end = address
        self.insert(upper)

    def carve(self, start: int, end: int) -> list[Vma]:
        """The mappings inside [start, end), split so that none reaches out of it."""
        if start >= end:
            return []
        self.split(start)
        self.split(end)
        return self.overlapping(start, end)

    def is_free(self, start: int, end: int) -> bool:
        """Whether nothing is mapped in [start, end)."""
        return not self.overlapping(start, end)

    def highest_gap(self, size: int, low: int, high: int) -> int | None:
        """Start of the highest free range of *size* bytes within [low, high)."""
        top = self._known_full(size, high)
        index = bisect_left(self._starts, top) - 1
        while index >= 0 and top - self._vmas[index].end < size:
            top = min(top, self._vmas[index].start)
            index -= 1
        self._full[high, size.bit_length()] = size, top
        start = top - size
        return start if start >= low and self.is_free(start, start + size) else None

    def _known_full(self, size: int, high: int) -> int:
        """An address from which on up to *high* nothing of *size* is free, as far as is known."""
        known = (low for (end, _), (least, low) in self._full.items() if end == high and least <= size)
        return min(high, min(known, default=high))

    def lowest_gap(self, size: int, low: int, high: int) -> int | None:
        """Start of the lowest free range of *size* bytes within [low, high)."""
        bottom = low
        for vma in self._vmas:
            if vma.start - bottom >= size and vma.start > bottom:
                break
            bottom = max(bottom, vma.end)
        return bottom if bottom + size <= high else None
