"""Displaced instructions in slots: the instruction, then a branch to what follows the place it came from.

A task that is sent into a slot needs no step and no second stop.  What it must
not show is the slot's address: a signal that finds a task there is delivered
as if the task were at the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from uprobe_gdbremote.areas import Areas

if TYPE_CHECKING:
    from uprobe_core.types import Mapping

__all__ = ("SLOT_BYTES", "Slots", "branch")

SIZE = 4
SLOT_BYTES = 2 * SIZE


def branch(source: int, target: int) -> bytes:
    """``B target`` at *source* (Arm ARM C6.2.26)."""
    return (0x1400_0000 | ((target - source) >> 2 & 0x3FF_FFFF)).to_bytes(SIZE, "little")


class Slots:
    """The slots of one address space, one for each place and instruction."""

    def __init__(self, areas: Areas, mappings: Callable[[], Iterable[Mapping]]) -> None:
        self._areas, self._mappings = areas, mappings
        self._slots: dict[tuple[int, bytes], int] = {}
        self._origins: dict[int, int] = {}

    def of(self, address: int, insn: bytes) -> int | None:
        """The slot of *insn*, which belongs to *address*; None if there is no room in reach."""
        slot = self._slots.get((address, insn))
        if slot is None:
            found = self._areas.near(address, SLOT_BYTES, self._mappings())
            if found is None:
                return None
            area, slot = found
            area.write(slot, insn + branch(slot + SIZE, address + SIZE))
            self._slots[address, insn] = slot
            self._origins[slot] = address
        return slot

    def take_over(self, other: Slots) -> None:
        """Have what a fork has copied of *other*."""
        self._slots, self._origins = dict(other._slots), dict(other._origins)

    def place_of(self, pc: int) -> tuple[int, bool] | None:
        """Where a task with *pc* would be without slots, and whether the displaced instruction has run.

        None if *pc* is in no slot.
        """
        if pc in self._origins:
            return self._origins[pc], False
        address = self._origins.get(pc - SIZE)
        return None if address is None else (address + SIZE, True)
