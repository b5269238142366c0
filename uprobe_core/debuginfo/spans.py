"""Which of many stretches of code an address is in, without a look at each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

__all__ = ("Spans",)


class Spans:
    """Stretches that may overlap.

    :param spans: first address, the address behind the last, and a number
    """

    def __init__(self, spans: Iterable[tuple[int, int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _, _ in self._spans]
        self._reach = list(accumulate((end for _, end, _ in self._spans), max))
        """The highest end up to each: none of those before one that ends below an address has it."""

    def last_at(self, address: int) -> int | None:
        """The highest number of those that hold *address*, None if none does."""
        at = bisect_right(self._starts, address) - 1
        found = None
        while at >= 0 and self._reach[at] > address:
            _, end, number = self._spans[at]
            if end > address and (found is None or number > found):
                found = number
            at -= 1
        return found
