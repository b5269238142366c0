"""The XOL area of one process: slots for instructions that run out of line.

The kernel's struct xol_area (kernel/events/uprobes.c): a bitmap of slots in
one page, slot 0 being the return trampoline, and a wait queue for when all are
taken.  Here a waiting task is remembered by the dispatcher; this file only
hands out slots.
"""

from __future__ import annotations

__all__ = ("XolArea",)


class XolArea:
    """Slots of one address space.

    :param base: address of the trampoline, the area's first unit
    :param size: bytes from *base* that slots may use
    :param slot_bytes: bytes of one displaced instruction
    :param stride: bytes from one slot to the next; the rest is the backend's landing
    """

    def __init__(self, base: int, size: int, slot_bytes: int, stride: int) -> None:
        self.base = base
        self.trampoline = base
        first = base + slot_bytes
        count = (size - slot_bytes) // stride
        self._free = [first + n * stride for n in reversed(range(count))]
        self._by_word: dict[int, list[int]] = {}
        self.capacity = count

    @property
    def free_count(self) -> int:
        """How many slots are free."""
        return len(self._free) + sum(map(len, self._by_word.values()))

    def take(self, word: int) -> int | None:
        """Take a slot for the instruction *word*; None if all are taken.

        A free slot that still holds the same instruction is preferred: it
        needs no copy and no flush.  Otherwise an unused slot, else the oldest
        free one is reused.
        """
        kept = self._by_word.get(word)
        if kept:
            slot = kept.pop()
            if not kept:
                del self._by_word[word]
            return slot
        if self._free:
            return self._free.pop()
        for other, slots in self._by_word.items():
            slot = slots.pop()
            if not slots:
                del self._by_word[other]
            return slot
        return None

    def put(self, slot: int, word: int) -> None:
        """Give back *slot*, which now holds *word*."""
        self._by_word.setdefault(word, []).append(slot)
