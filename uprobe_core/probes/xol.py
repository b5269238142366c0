"""The XOL area of one process: slots for instructions that run out of line.

The kernel's struct xol_area (kernel/events/uprobes.c): a bitmap of slots in
one page, slot 0 being the return trampoline, and a wait queue for when all are
taken.  Here a waiting task is remembered by the dispatcher; this file only
hands out slots.
"""

from __future__ import annotations

import heapq

__all__ = ("XolArea",)


class XolArea:
    """Slots of one address space.

    :param base: address of the trampoline, the area's first unit
    :param size: bytes from *base* that slots may use
    :param slot_bytes: bytes of one displaced instruction
    :param stride: bytes from one slot to the next; the rest is the backend's landing
    :param keep: prefer a free slot that still holds the wanted instruction, which then needs
        no copy and no flush; otherwise the lowest free slot is taken, as a kernel does
    """

    def __init__(self, base: int, size: int, slot_bytes: int, stride: int, *, keep: bool = True) -> None:
        self.trampoline = base
        first = base + slot_bytes
        self.capacity = (size - slot_bytes) // stride
        self._keep = keep
        self._free = [first + n * stride for n in range(self.capacity)]
        heapq.heapify(self._free)
        self._holding: dict[int, list[int]] = {}

    def take(self, word: int) -> int | None:
        """Take a slot for the instruction *word*; None if all are taken."""
        kept = self._holding.get(word)
        if kept:
            return self._reuse(word, kept)
        if self._free:
            return heapq.heappop(self._free)
        for other, slots in self._holding.items():
            return self._reuse(other, slots)
        return None

    def _reuse(self, word: int, slots: list[int]) -> int:
        slot = slots.pop()
        if not slots:
            del self._holding[word]
        return slot

    def put(self, slot: int, word: int) -> None:
        """Give back *slot*, which now holds *word*."""
        if self._keep:
            self._holding.setdefault(word, []).append(slot)
        else:
            heapq.heappush(self._free, slot)
