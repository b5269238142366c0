"""Whether a task is between a load-exclusive and its store-exclusive.

An emulator's store-exclusive compares values: it succeeds although another
task ran in between and changed the word to and fro.  A real switch clears
the monitor.  So a slice does not end inside such a sequence; they are a few
instructions long (Arm ARM B2.9.5).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("LOOK_AHEAD", "ends_exclusive_sequence")

LOOK_AHEAD = 12
"""Instructions from PC on in which the store-exclusive must be."""


def ends_exclusive_sequence(words: Iterable[int]) -> bool:
    """Whether *words*, the instructions from PC on, reach a store-exclusive before a new beginning."""
    for word in words:
        if word & 0x3F80_0000 == 0x0800_0000 and word & 0x8020_0000 != 0x0020_0000:  # exclusives, not CASP
            return not word >> 22 & 1  # a load begins anew
        if word >> 26 == 0b000101 or word >> 25 == 0b1101011 or word & 0xFFE0_001F == 0xD400_0001:
            return False  # B, BR, RET, SVC: where it goes on is elsewhere
    return False
