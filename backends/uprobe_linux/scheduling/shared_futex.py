"""The waiters of shared futexes, in memory that all host processes of a machine see.

One row per waiter.  A wake marks the row and rings its host process, whose
scheduler then looks at the rows of its own tasks.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uprobe_linux.scheduling.futex import FutexKey

if TYPE_CHECKING:
    from uprobe_linux.scheduling.futex import Waiter
    from uprobe_linux.shared.memory import SharedMemory

__all__ = ("SHARED_FUTEX_BYTES", "SharedFutexTable")

_ROW = struct.Struct("<QQQIIqq")
"""space, offset, sequence, bitset, state, host pid, owner"""
_ROWS = 1024
_HEAD_BYTES = 16
SHARED_FUTEX_BYTES = _HEAD_BYTES + _ROWS * _ROW.size
_FREE, _WAITING, _WOKEN = 0, 1, 2
_LOCK = 1


class SharedFutexTable:
    """Waiters of all host processes.

    :param shared: shared memory, of which [*start*, *start* + SHARED_FUTEX_BYTES) is ours
    :param ring: wakes the host process whose id it gets
    """

    def __init__(self, shared: SharedMemory, start: int, ring: Callable[[int], None]) -> None:
        self._shared = shared
        self._start = start
        self._ring = ring
        self._depth = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off the other host processes; may be nested."""
        if self._depth:
            yield
            return
        with self._shared.locked(_LOCK):
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def _read_head(self) -> tuple[int, int]:
        used, sequence = struct.unpack_from("<QQ", self._shared.data, self._start)
        return used, sequence

    def _read(self, row: int) -> list[int]:
        return list(_ROW.unpack_from(self._shared.data, self._at(row)))

    def _write(self, row: int, values: list[int]) -> None:
        _ROW.pack_into(self._shared.data, self._at(row), *values)

    def _at(self, row: int) -> int:
        return self._start + _HEAD_BYTES + row * _ROW.size

    def add(self, waiter: Waiter) -> None:
        """Enter *waiter* and set its row; OSError(ENOMEM) when the table is full."""
        key = waiter.key
        with self.locked():
            used, sequence = self._read_head()
            row = next((r for r in range(used) if self._read(r)[4] == _FREE), used)
            if row >= _ROWS:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            values = [key.space, key.offset, sequence, waiter.bitset, _WAITING, os.getpid(), waiter.owner]
            self._write(row, values)
            struct.pack_into("<QQ", self._shared.data, self._start, max(used, row + 1), sequence + 1)
            waiter.row = row

    def remove(self, waiter: Waiter) -> None:
        """Free the row of *waiter*."""
        with self.locked():
            values = self._read(waiter.row)
            values[4] = _FREE
            self._write(waiter.row, values)

    def is_woken(self, row: int) -> bool:
        """Whether the waiter in *row* was woken."""
        return self._read(row)[4] == _WOKEN

    def _waiting(self, key: FutexKey) -> list[tuple[int, list[int]]]:
        used, _ = self._read_head()
        rows = ((row, self._read(row)) for row in range(used))
        found = [(r, v) for r, v in rows if v[4] == _WAITING and v[0] == key.space and v[1] == key.offset]
        return sorted(found, key=lambda item: item[1][2])

    def wake(self, key: FutexKey, count: int, bitset: int) -> int:
        """Wake at most *count* waiters whose bitset meets *bitset*, the oldest first; returns how many."""
        with self.locked():
            chosen = [(r, v) for r, v in self._waiting(key) if v[3] & bitset][:count]
            for row, values in chosen:
                values[4] = _WOKEN
                self._write(row, values)
        for host_pid in {values[5] for _, values in chosen}:
            self._ring(host_pid)
        return len(chosen)

    def move(self, source: FutexKey, target: FutexKey, count: int) -> int:
        """Let at most *count* waiters of *source* wait at *target*; returns how many."""
        with self.locked():
            chosen = self._waiting(source)[:count]
            for row, values in chosen:
                values[0], values[1] = target.space, target.offset
                self._write(row, values)
        return len(chosen)

    def count(self, key: FutexKey) -> int:
        """How many wait at *key*."""
        return len(self._waiting(key))

    def first_owner(self, key: FutexKey) -> int | None:
        """Owner of the oldest waiter at *key*, or None."""
        waiting = self._waiting(key)
        return waiting[0][1][6] if waiting else None
