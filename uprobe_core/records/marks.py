"""How many records did not get into an output that could not be written to its end."""

from __future__ import annotations

import io
import sys
from bisect import bisect_right
from typing import Any

__all__ = ("CountedStream", "Marks")

_MANY = 4096


class CountedStream(io.BufferedWriter):
    """A buffered file that knows how much it was given (bytes)."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.given = 0

    def write(self, data: Any, /) -> int:
        """As BufferedWriter does."""
        count = super().write(data)
        self.given += count
        return count


class Marks:
    """Where each record ends in an output, for those that may still be lost.

    :ivar lost: those that are not in it
    """

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._whole = self.lost = 0

    def add(self, end: int) -> None:
        """A record is in the output once *end* bytes are."""
        self._ends.append(end)

    def add_to_whole(self) -> None:
        """A record is in the output once all of it is."""
        self._whole += 1

    @property
    def many(self) -> bool:
        """Whether it is time to settle some."""
        return len(self._ends) >= _MANY

    def settle(self, taken: int, *, broken: bool) -> None:
        """*taken* bytes are in the output, and if it is *broken*, no more will be."""
        written = bisect_right(self._ends, taken)
        if broken:
            self.lost += len(self._ends) - written + self._whole
            self._whole = 0
            written = sys.maxsize
        del self._ends[:written]

    def forget(self, lost: int = 0) -> None:
        """The output is written anew; *lost* records are missing from what stays of it."""
        self._ends.clear()
        self._whole, self.lost = 0, lost
