"""Where a run shows what it has found so far: tables that replace each other on a terminal, else in a row."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any

from uprobe_core.types import MemoryFault

__all__ = ("Screen",)

_UP_AND_CLEAR = "\r\x1b[{}A\x1b[J"
_CLEAR_LINE = "\r\x1b[K"
_WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "ioctl"})
"""System calls after which something else may stand on a terminal."""
_STANDARD = (0, 1, 2)
_MOST_PARTS = 1024
"""IOV_MAX."""


class Screen:
    """Standard error, which the program may write to as well; it is told of its calls (a CallWatcher).

    What is shown on a terminal is taken away before the program writes, and nothing is shown
    while the program has left a line unfinished. Forked processes know of each other's lines.

    :param shared: whether records are written to it as well
    :ivar is_redrawn: whether it is a terminal where lines are replaced
    """

    def __init__(self, *, shared: bool) -> None:
        try:
            self._fd = -1 if sys.__stderr__ is None else os.dup(2)
        except OSError:
            self._fd = -1
        self.is_redrawn = self._fd >= 0 and not shared and os.isatty(self._fd)
        self._state = mmap.mmap(-1, 4)
        """For all processes: rows that are shown (2 bytes), whether the program's line is unfinished (1)."""

    @property
    def _rows(self) -> int:
        return int.from_bytes(self._state[:2], "little")

    @_rows.setter
    def _rows(self, rows: int) -> None:
        self._state[:2] = rows.to_bytes(2, "little")

    def called(self, _task: Any, name: str, _arguments: tuple[int, ...]) -> None:
        """The program is about to make a call."""
        if name in _WRITES:
            self.clear()

    def answered(self, task: Any, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """It has made one: what it wrote may have ended within a line."""
        if name in ("write", "writev") and arguments[0] in _STANDARD and result is not None and result > 0:
            self._state[2] = not _ends_line(task, name, arguments, result)

    def table(self, lines: Sequence[str]) -> None:
        """Show *lines*, in place of those before if they can be replaced."""
        if not self.is_redrawn:
            self._put("".join(f"{line}\n" for line in lines))
            return
        self.clear()
        if self._state[2]:
            return
        width, height = self._size()
        shown = [line[: max(width - 1, 1)] for line in lines]
        if len(shown) >= height:
            shown = [*shown[: max(height - 2, 1)], f"... {len(shown) - max(height - 2, 1)} more lines"]
        self._put("".join(f"{line}\n" for line in shown))
        self._rows = len(shown)

    def _size(self) -> tuple[int, int]:
        """Columns and rows; what a terminal does not know of itself is as of old."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._fd)
            return size.columns or 80, size.lines or 24
        return 80, 24

    def clear(self) -> None:
        """Take away what is shown, if it can be."""
        rows = self._rows
        if rows:
            self._rows = 0
            self._put(_UP_AND_CLEAR.format(rows))

    def _put(self, text: str) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the reader may have gone away
                os.write(self._fd, text.encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _ends_line(task: Any, name: str, arguments: tuple[int, ...], written: int) -> bool:
    """Whether the last byte of a call that wrote *written* bytes was the end of a line."""
    try:
        last = arguments[1] + written - 1
        if name == "writev":
            last = _last_of(
                task.process.memory.read(arguments[1], 16 * min(arguments[2], _MOST_PARTS)), written
            )
        return bool(task.process.memory.read(last, 1) == b"\n")
    except MemoryFault:
        return False


def _last_of(parts: bytes, written: int) -> int:
    """Where the last of *written* bytes lies; *parts* are struct iovec (readv(2)): address and size."""
    for address, size in struct.iter_unpack("<QQ", parts):
        if written <= size:
            return int(address) + written - 1
        written -= size
    return 0
