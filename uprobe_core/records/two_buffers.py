"""Trace text as a kernel holds it that takes snapshots: in two buffers, which change places.

What is recorded goes into one of them, which the ``trace`` file shows; the ``snapshot`` file shows the other.
A snapshot only swaps them: what the other one held is in ``trace`` again, before what follows.
Source: update_max_tr in kernel/trace/trace.c (6.12), and recorded runs.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ("SNAPSHOT", "TwoBuffers")

SNAPSHOT = "# snapshot"
"""The line of output where the buffers are swapped, and at the end before what the other one holds."""
_MARK = SNAPSHOT.encode() + b"\n"


class TwoBuffers:
    """Both buffers: lines with their newline, and whether each is a record."""

    def __init__(self) -> None:
        self._main: list[tuple[bytes, bool]] = []
        self._other: list[tuple[bytes, bool]] = []
        self._swapped = False

    def add(self, data: bytes, *, record: bool) -> None:
        """A line that is recorded, or the one that swaps the buffers."""
        if data == _MARK:
            self._main, self._other = self._other, self._main
            self._swapped = True
        else:
            self._main.append((data, record))

    def in_order(self) -> Iterator[tuple[bytes, bool]]:
        """What ``trace`` shows; if a snapshot was taken, then a heading and what ``snapshot`` shows."""
        yield from self._main
        if self._swapped:
            yield _MARK, False
            yield from self._other
