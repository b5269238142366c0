"""System V message queues, semaphores and shared memory segments, kept in the machine's shared memory.

They are the machine's own: no IPC object of the host is seen or made.  The
whole state is small (the kernel's own limits bound it), so one record is
read, changed and written back under a lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_linux.ipc.state import IpcState
    from uprobe_linux.shared.memory import SharedMemory

__all__ = ("SEMVMX", "IpcFullError", "IpcStore")

_LOCK = 2
_LENGTH = struct.Struct("<Q")


class IpcFullError(OSError):
    """The shared memory cannot hold the new state: ENOSPC."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


SEMVMX = 32767
"""The largest semaphore value."""


class IpcStore:
    """The state in shared memory [*start*, *start* + *size*).

    :param folder: of the host, where the segments' files lie
    """

    def __init__(self, shared: SharedMemory, start: int, size: int, folder: str = "") -> None:
        self._folder = folder
        self._shared = shared
        self._start = start
        self._size = size

    @contextmanager
    def change(self) -> Iterator[IpcState]:
        """The state, to be changed; written back unless the block raises. IpcFullError if it does not fit."""
        import pickle  # not needed to start

        from uprobe_linux.ipc.state import IpcState

        with self._shared.locked(_LOCK) as data:
            (length,) = _LENGTH.unpack_from(data, self._start)
            begin = self._start + _LENGTH.size
            # Only our own host processes write here, and no guest memory is near it.
            state = pickle.loads(data[begin : begin + length]) if length else IpcState()  # noqa: S301  # ours
            yield state
            packed = pickle.dumps(state, protocol=5)
            if len(packed) > self._size - _LENGTH.size:
                raise IpcFullError
            data[begin : begin + len(packed)] = packed
            _LENGTH.pack_into(data, self._start, len(packed))

    @property
    def _untouched(self) -> bool:
        """Whether nothing has ever been made, so that there is nothing to look for."""
        return not _LENGTH.unpack_from(self._shared.data, self._start)[0]

    def segment_path(self, number: int) -> str:
        """The host file behind segment *number*."""
        return os.path.join(self._folder, str(number))

    def attach(self, state: IpcState, pid: int, counts: dict[int, int]) -> None:
        """Process *pid* has these segments attached now; removed ones that nobody has go away."""
        if counts:
            state.attached[pid] = counts
        else:
            state.attached.pop(pid, None)
        self.sweep(state)

    def sweep(self, state: IpcState) -> None:
        """Segments that were removed live as long as somebody has them attached (shm_destroy)."""
        for number in [n for n, s in state.segments.items() if s.removed and not state.attachments(n)]:
            del state.segments[number]
            with contextlib.suppress(OSError):
                os.unlink(self.segment_path(number))

    def inherit(self, parent: int, child: int, now: int) -> None:
        """Process *child* is a fork of *parent*, with what that has attached; *now* in seconds since 1970."""
        if self._untouched:
            return
        with self.change() as state:
            if parent in state.attached:
                state.attached[child] = dict(state.attached[parent])
                for number in state.attached[child]:
                    segment = state.segments[number]
                    segment.last_pid, segment.attached_at = parent, now

    def detach(self, pid: int, now: int) -> None:
        """The memory of process *pid* is gone (exec, exit), or its fork failed."""
        if self._untouched:
            return
        with self.change() as state:
            for number in state.attached.get(pid, ()):
                segment = state.segments[number]
                segment.last_pid, segment.detached_at = pid, now
            self.attach(state, pid, {})

    def undo(self, pid: int) -> None:
        """Process *pid* ends: its SEM_UNDO adjustments are made (exit_sem)."""
        if self._untouched:
            return
        with self.change() as state:
            for owner, number, index in [key for key in state.undo if key[0] == pid]:
                change = state.undo.pop((owner, number, index))
                semaphores = state.semaphores.get(number)
                if semaphores is not None:
                    semaphores.values[index] = max(0, min(semaphores.values[index] + change, SEMVMX))
