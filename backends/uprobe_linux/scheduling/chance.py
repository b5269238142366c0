"""Numbers by chance that two implementations draw alike: a state of 64 bits, and little to do for each.

splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
"""

from __future__ import annotations

__all__ = ("Chance",)

_MASK = (1 << 64) - 1


class Chance:
    """A generator that begins at *seed*, modulo 2**64.

    :ivar state: all that it is
    """

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def draw(self) -> int:
        """The next number: 64 bits."""
        self.state = mixed = (self.state + 0x9E37_79B9_7F4A_7C15) & _MASK
        mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _MASK
        return mixed ^ mixed >> 31
