"""Files that take everything, and how many records did not get into one that cannot be written."""

from __future__ import annotations

import io
import os
import select
import sys
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

__all__ = ("CountedStream", "Marks", "WriterFile", "write_patiently")

_MANY = 4096


def write_patiently(fd: int, data: Any) -> int:
    """Write some of *data*; a reader that is slow behind a descriptor that does not block is waited for."""
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            select.select([], [fd], [])


class WriterFile(io.FileIO):
    """For writers: a file that takes everything.

    It waits for a slow reader; what cannot be written goes to *lost*, once, and the writer,
    which could do nothing about it, does not hear of it.
    """

    def __init__(self, fd: int, lost: Callable[[OSError], None]) -> None:
        super().__init__(fd, "wb")
        self._lost_to, self.broken, self.taken = lost, False, 0

    def write(self, data: Any, /) -> int:
        """As FileIO does, but all of it; what is lost counts as written."""
        if not self.broken:
            try:
                count = write_patiently(self.fileno(), data)
                self.taken += count
                return count
            except OSError as error:
                self.broken = True
                self._lost_to(error)
        return len(data)


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
