"""Where a run shows what it has found so far: tables that replace each other on a terminal, else in a row."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from uprobe_core.terminal_text import fitted
from uprobe_core.types import MemoryFault

__all__ = ("Screen",)

_UP_AND_CLEAR = "\r\x1b[{}A\x1b[J"
_WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "ioctl"})
"""System calls after which something else may stand on a terminal."""
_STANDARD = (0, 1, 2)
_MOST_PARTS = 1024
"""IOV_MAX."""
_STATE = struct.Struct("=Hxxxxxxdd")
"""Rows that are shown, whether the program's line is unfinished (0 or 1), and until when nothing is shown."""
_A_WRITE = 0.2
"""Seconds that a write may take; who writes for longer, or was ended in it, is not waited for."""


class Screen:
    """Standard error, to which the program may write; a terminal is told of its calls (a CallWatcher).

    What is shown there is taken away before the program writes, and nothing is shown
    while the program writes, or has left a line unfinished. Forked processes know of each other's lines.

    :param shared: whether records are written to it as well
    :ivar is_redrawn: whether it is a terminal where lines are replaced
    """

    def __init__(self, *, shared: bool) -> None:
        try:
            self._fd = -1 if sys.__stderr__ is None else os.dup(2)
        except OSError:
            self._fd = -1
        self.is_redrawn = self._fd >= 0 and not shared and os.isatty(self._fd)
        self._lock = os.memfd_create("screen")
        os.ftruncate(self._lock, _STATE.size)
        self._shared = mmap.mmap(self._lock, _STATE.size)

    @contextlib.contextmanager
    def _state(self) -> Iterator[list[float]]:
        """What _STATE says, to be changed; no other process shows, clears or notes anything meanwhile."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            state = list(_STATE.unpack(self._shared))
            yield state
            _STATE.pack_into(self._shared, 0, int(state[0]), *state[1:])
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def called(self, _task: Any, name: str, _arguments: tuple[int, ...]) -> None:
        """The program is about to make a call."""
        if name in _WRITES:
            with self._state() as state:
                self._clear(state)
                state[2] = time.monotonic() + _A_WRITE

    def answered(self, task: Any, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """It has made one: what it wrote may have ended within a line."""
        if name not in _WRITES:
            return
        with self._state() as state:
            state[2] = 0
            if (
                name in ("write", "writev")
                and arguments[0] in _STANDARD
                and result is not None
                and result > 0
            ):
                state[1] = not _ends_line(task, name, arguments, result or 0)

    def table(self, lines: Sequence[str]) -> None:
        """Show *lines*, in place of those before if they can be replaced."""
        if not self.is_redrawn:
            self._put("".join(f"{line}\n" for line in lines))
            return
        height = self._size()[1]
        shown = [each for line in lines for each in fitted(line, self.columns)]
        if len(shown) >= height:
            shown = [*shown[: max(height - 2, 1)], f"... {len(shown) - max(height - 2, 1)} more lines"]
        with self._state() as state:
            self._clear(state)
            if not state[1] and state[2] < time.monotonic():
                self._put("".join(f"{line}\n" for line in shown))
                state[0] = len(shown)

    @property
    def columns(self) -> int:
        """How wide a line may be that is replaced later, 0 where none is."""
        return max(self._size()[0] - 1, 1) if self.is_redrawn else 0

    def _size(self) -> tuple[int, int]:
        """Columns and rows; what a terminal does not know of itself is as of old."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._fd)
            return size.columns or 80, size.lines or 24
        return 80, 24

    def clear(self) -> None:
        """Take away what is shown, if it can be."""
        with self._state() as state:
            self._clear(state)

    def _clear(self, state: list[float]) -> None:
        if state[0]:
            self._put(_UP_AND_CLEAR.format(int(state[0])))
            state[0] = 0

    def _put(self, text: str) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the reader may have gone away
                os.write(self._fd, text.encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """Give the descriptors back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock >= 0:
            self._shared.close()
            os.close(self._lock)
            self._lock = -1


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
