"""Where slots lie: areas near the probed text, seen by fetches only and in nobody's way.

An area takes addresses that the program has not mapped, far from where its
next mapping will go, so that no address that the program sees depends on the
probes.  It is no mapping of the program's: it is in no list and cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_linux.memory.address_space import MMAP_MIN, TASK_SIZE

from uprobe_unicorn.native import _glue

if TYPE_CHECKING:
    from uprobe_linux.memory.address_space import AddressSpace
    from uprobe_linux.memory.arena import Arena

__all__ = ("SlotAreas",)

REACH = 120 << 20
"""Bytes that a branch surely reaches (B: 128 MiB), an area's own size aside."""
FIRST_SLOTS = 1024


@dataclass(frozen=True, slots=True)
class Area:
    """Addresses [start, end), shown from the arena at *physical*."""

    start: int
    end: int
    physical: int

    def holds(self, address: int) -> bool:
        """Whether *address* lies in it."""
        return self.start <= address < self.end


class SlotAreas:
    """The areas of one emulator."""

    def __init__(self, glue: _glue.Glue, arena: Arena) -> None:
        self._glue = glue
        self._arena = arena
        self.areas: list[Area] = []
        self._slots = FIRST_SLOTS

    def slot(self, memory: AddressSpace, place: int, address: int, word: int) -> int:
        """A slot for the instruction *word* at *address*; its entry, 0 if there can be none."""
        if not _glue.relocate(word, address, address + REACH // 2) and not _glue.relocate(
            word, address, address - REACH // 2
        ):
            return 0
        for area in reversed(self.areas):
            if abs(area.start - address) < REACH:
                entry = self._glue.slot(place, area.start, word)
                if entry:
                    return entry
        new = self._create(memory, address)
        return self._glue.slot(place, new.start, word) if new is not None else 0

    def _create(self, memory: AddressSpace, address: int) -> Area | None:
        size = _glue.area_size(self._slots)
        start = self._find(memory, address, size)
        if start is None:
            return None
        area = Area(start, start + size, self._arena.allocate(size))
        self._glue.add_area(area.start, area.physical, self._slots)
        self.areas.append(area)
        self._slots = min(4 * self._slots, 1 << 16)
        return area

    def _find(self, memory: AddressSpace, address: int, size: int) -> int | None:
        """A free range near *address*: far below it, far above it, else just below it.

        Far is beyond the reach of conditional branches (1 MiB): a program that jumps to where
        nothing of its own is mapped is to fault there, not to find a slot.
        """
        windows = (
            (address - REACH, address - REACH * 3 // 4),
            (address + REACH // 2, address + REACH - size),
            (address - REACH * 3 // 4, address),
        )
        for low, high in windows:
            start = self._free(memory, max(low, MMAP_MIN) & -4096, min(high, TASK_SIZE) & -4096, size)
            if start is not None:
                return start
        return None

    def _free(self, memory: AddressSpace, low: int, high: int, size: int) -> int | None:
        """The highest range of *size* bytes in [low, high) that neither the program nor an area has."""
        while high - low >= size:
            start = memory.vmas.highest_gap(size, low, high)
            taken = self.overlapping(start, start + size) if start is not None else []
            if not taken:
                return start
            high = min(area.start for area in taken)
        return None

    def overlapping(self, start: int, end: int) -> list[Area]:
        """The areas that have a byte in [start, end)."""
        return [a for a in self.areas if a.start < end and start < a.end]

    def remove(self, area: Area) -> None:
        """Give *area* back; nothing may run in it any more."""
        self._glue.remove_area(area.start)
        self._glue.forget_code(area.start, area.end)
        self._arena.release(area.physical, area.end - area.start)
        self.areas.remove(area)

    def clear(self) -> None:
        """Give all areas back."""
        for area in list(self.areas):
            self.remove(area)
        self._slots = FIRST_SLOTS
