"""Times of files that change during a run, as the guest's clock would have stamped them.

The host stamps every change with its own clock, which a guest with a virtual
clock would see as a time in the future: make would complain of clock skew, tar
and find would be led astray.  So a time after the start of the run is shown as
a time of the guest's clock.  Times before the run, and those that a program
chose itself, stay what they are.

What is shown for a file never changes unless the file does, and keeps the
order of the changes: the host's time line is cut where a change was first
looked at, a cut is worth the guest's time of that look, and between two cuts
the time runs evenly.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import replace

from uprobe_linux.fs.stat_pack import Status
from uprobe_linux.shared.memory import SharedMemory

__all__ = ("CAPACITY", "FileTimes")

CAPACITY = 1 << 18
"""Cuts that are remembered; later changes are worth the last."""
TICK = 10_000_000
"""A file system's stamp is behind the clock by at most a jiffy (100 Hz), in nanoseconds."""
_LOCK = 0
_STATX_TIMES = (64, 80, 96, 112)
"""Offsets of stx_atime, stx_btime, stx_ctime and stx_mtime."""


class FileTimes:
    """The host's time line since the start of the run; all host processes of a machine share it.

    :param start: the guest's wall clock now, ns since 1970
    """

    def __init__(self, start: int) -> None:
        self._shared = SharedMemory(8 + 16 * CAPACITY)
        self.memory = self._shared.data
        """How many cuts there are, then the host's times of all, then the guest's: 64-bit words."""
        words = memoryview(self.memory).cast("q")
        self._count, self._host, self._guest = words[:1], words[1 : 1 + CAPACITY], words[1 + CAPACITY :]
        words.release()
        self.start = time.time_ns() - TICK
        """Host time in ns: what is stamped later was changed during the run."""
        self._count[0], self._host[0], self._guest[0] = 1, self.start, start

    def shown(self, stamp: int, now: int) -> int:
        """What the guest sees for the host's *stamp* at its wall clock *now*; all in ns since 1970."""
        if stamp <= self.start:
            return stamp
        if stamp > self._host[self._count[0] - 1] and not self._cut(stamp, now):
            return stamp
        count = self._count[0]
        after = min(bisect_left(self._host, stamp, 0, count), count - 1)
        low, high = self._host[after - 1], self._host[after]
        first, last = self._guest[after - 1], self._guest[after]
        return first + (last - first) * (stamp - low) // (high - low) if stamp < high else last

    def _cut(self, stamp: int, now: int) -> bool:
        """Make *stamp* worth *now*; False if no clock of the host has stamped it: a program chose it."""
        if stamp > time.time_ns():
            return False
        with self._shared.locked(_LOCK):
            count = self._count[0]
            if stamp > self._host[count - 1] and count < CAPACITY:
                self._host[count], self._guest[count] = stamp, max(now, self._guest[count - 1])
                self._count[0] = count + 1
        return True

    def dated(self, status: Status, now: int) -> Status:
        """*status* with the times that the guest sees."""
        if max(status.ctime, status.mtime, status.atime) <= self.start:
            return status
        self.shown(max(status.ctime, status.mtime, status.atime), now)
        return replace(
            status,
            ctime=self.shown(status.ctime, now),
            mtime=self.shown(status.mtime, now),
            atime=self.shown(status.atime, now),
        )

    def date_statx(self, packed: bytearray, now: int) -> None:
        """The same for a struct statx, in place."""
        for at in _STATX_TIMES:
            seconds = int.from_bytes(packed[at : at + 8], "little", signed=True)
            stamp = seconds * 10**9 + int.from_bytes(packed[at + 8 : at + 12], "little")
            if stamp > self.start:
                shown = divmod(self.shown(stamp, now), 10**9)
                packed[at : at + 8] = shown[0].to_bytes(8, "little", signed=True)
                packed[at + 8 : at + 12] = shown[1].to_bytes(4, "little")

    def close(self) -> None:
        """Give the shared memory back; idempotent."""
        for view in (self._count, self._host, self._guest):
            view.release()
        self._shared.close()
