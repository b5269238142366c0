"""System V message queues and semaphores, kept in the machine's shared memory.

They are the machine's own: no IPC object of the host is seen or made.  The
whole state is small (the kernel's own limits bound it), so one record is
read, changed and written back under a lock.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_linux.shared import SharedMemory

__all__ = ("IpcFull", "IpcState", "IpcStore", "MessageQueue", "SemaphoreSet")

_LOCK = 2
_LENGTH = struct.Struct("<Q")


class IpcFull(Exception):
    """The shared memory cannot hold the new state."""


@dataclass(slots=True)
class _Object:
    """What all IPC objects have (struct ipc64_perm)."""

    key: int
    mode: int
    uid: int
    gid: int
    changed: int = 0


@dataclass(slots=True)
class MessageQueue(_Object):
    """A queue of (type, bytes), with the numbers that msgctl shows."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    limit: int = 16384
    sent: int = 0
    received: int = 0
    sender: int = 0
    receiver: int = 0


@dataclass(slots=True)
class SemaphoreSet(_Object):
    """Semaphore values, and the process that last changed each."""

    values: list[int] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    operated: int = 0


@dataclass(slots=True)
class IpcState:
    """Everything, by id."""

    queues: dict[int, MessageQueue] = field(default_factory=dict)
    semaphores: dict[int, SemaphoreSet] = field(default_factory=dict)
    next_id: int = 0
    undo: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """(pid, semaphore set, number) -> what to add when the process ends (SEM_UNDO)."""


class IpcStore:
    """The state in shared memory [*start*, *start* + *size*)."""

    def __init__(self, shared: SharedMemory, start: int, size: int) -> None:
        self._shared = shared
        self._start = start
        self._size = size

    @contextmanager
    def change(self) -> Iterator[IpcState]:
        """The state, to be changed; written back unless the block raises. IpcFull if it does not fit."""
        with self._shared.locked(_LOCK) as data:
            (length,) = _LENGTH.unpack_from(data, self._start)
            begin = self._start + _LENGTH.size
            # Only our own host processes write here, and no guest memory is near it.
            state = pickle.loads(data[begin : begin + length]) if length else IpcState()
            yield state
            packed = pickle.dumps(state, protocol=5)
            if len(packed) > self._size - _LENGTH.size:
                raise IpcFull
            data[begin : begin + len(packed)] = packed
            _LENGTH.pack_into(data, self._start, len(packed))
