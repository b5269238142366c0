"""The host processes of a machine that take turns: one seat each, in memory that all of them share.

A seat's *key* says when its process may do next what others can see: a *moment*, that is an epoch
of virtual time and a part of it, and within that the guest pid that the seat was made for.
The lowest key has the turn. A seat that sleeps until somebody wakes it has none (``NEVER``).
"""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from uprobe_linux.shared.memory import SharedMemory

__all__ = (
    "NEVER",
    "SEATS_BYTES",
    "Seats",
    "State",
    "epoch_end",
    "epoch_of",
    "epoch_start",
    "key_of",
    "moment_at",
    "moment_of",
)

CAPACITY = 1024
NEVER = (1 << 63) - 1
"""Later than every key and every clock."""
EPOCH_BITS = 20
"""An epoch is 2**20 ns of virtual time: for so long one that makes call after call keeps others waiting."""
_PART_BITS = 8
"""Who lets others go first is in the next of 256 parts of the epoch, after the last in the next epoch."""
_ORDER_BITS = 22
"""Guest pids are below 2**22."""
_HEADER_WORDS, _COLUMNS = 8, 7
_SEMAPHORE_BYTES = 64
"""A sem_t has 32 bytes on 64-bit hosts."""
SEATS_BYTES = 8 * (_HEADER_WORDS + _COLUMNS * CAPACITY) + _SEMAPHORE_BYTES * CAPACITY
_USED, _OVER, _WAKES = 0, 1, 2
_LOCK = 5

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class State:
    """What the process of a seat is doing, as far as turns go."""

    FREE = 0
    RUNNING = 1
    ASLEEP = 2
    """Until its deadline, or until somebody marks it."""
    MARKED = 3
    """It was asleep, and what it waits for may be there."""
    TOUCHED = 4
    """The same, but who marks it is not done yet: its key comes."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def moment_at(clock: int) -> int:
    """The first moment of the epoch of *clock* (ns)."""
    return clock >> EPOCH_BITS << _PART_BITS


def key_of(moment: int, order: int) -> int:
    """The key of the seat made for pid *order* at *moment*; NEVER for one that lies years ahead."""
    return min(moment << _ORDER_BITS | order, NEVER)


def moment_of(key: int) -> int:
    """The moment of *key*."""
    return key >> _ORDER_BITS


def epoch_of(key: int) -> int:
    """The epoch of *key*."""
    return key >> _ORDER_BITS + _PART_BITS


def epoch_start(key: int) -> int:
    """The clock (ns) at which the epoch of *key* begins."""
    return epoch_of(key) << EPOCH_BITS


def epoch_end(key: int) -> int:
    """The clock (ns) at which the epoch of *key* has ended."""
    return epoch_of(key) + 1 << EPOCH_BITS


class Seats:
    """The table; a seat is an index into its columns.

    :param start: of our SEATS_BYTES bytes in *shared*
    """

    def __init__(self, shared: SharedMemory, start: int) -> None:
        self._shared = shared
        words = memoryview(shared.data)[start : start + SEATS_BYTES].cast("q")
        self._header = words[:_HEADER_WORDS]
        columns = [words[_HEADER_WORDS + n * CAPACITY :][:CAPACITY] for n in range(_COLUMNS)]
        self.keys, self.orders, self.clocks, self.states, self.hosts, self.waiting, self.channels = columns
        self._views = (words, self._header, *columns)
        first = start + 8 * (_HEADER_WORDS + _COLUMNS * CAPACITY)
        self._raw: ctypes.Array[ctypes.c_char] | None = (
            ctypes.c_char * (_SEMAPHORE_BYTES * CAPACITY)
        ).from_buffer(shared.data, first)
        self._semaphores = ctypes.addressof(self._raw)

    @property
    def used(self) -> int:
        """Seats from this one on were never taken."""
        return self._header[_USED]

    @property
    def over(self) -> bool:
        """Whether the run is being ended, and nobody waits for a turn any more."""
        return bool(self._header[_OVER])

    def end(self) -> None:
        """Nobody waits for a turn from here on."""
        self._header[_OVER] = 1
        for seat in range(self.used):
            self.post(seat)

    def take(self, moment: int, order: int, clock: int) -> int:
        """A free seat for a process at *clock* (ns), which has no host process yet; -1: none is left."""
        with self.locked():
            used = self.used
            seat = next((n for n in range(used) if self.states[n] == State.FREE), used)
            if seat >= CAPACITY:
                return -1
            self.hosts[seat] = self.waiting[seat] = self.channels[seat] = 0
            self.keys[seat], self.orders[seat] = key_of(moment, order), order
            self.clocks[seat] = clock
            _libc.sem_init(ctypes.c_void_p(self._at(seat)), 1, 0)
            self.states[seat] = State.RUNNING
            self._header[_USED] = max(used, seat + 1)
            self._header[_WAKES] += 1
        return seat

    def locked(self) -> AbstractContextManager[object]:
        """Hold off others that would change a seat of somebody else; not recursive."""
        return self._shared.locked(_LOCK)

    def free(self, seat: int) -> None:
        """Its process is gone, or has no turn any more."""
        self.keys[seat] = NEVER
        self.hosts[seat] = self.channels[seat] = 0
        self.states[seat] = State.FREE

    def lowest(self, without: int = -1) -> int:
        """The lowest key, that of seat *without* left out.

        A key only grows, but for that of a seat that is woken; so who has woken one while we looked
        from seat to seat may have been looked at later than that one.
        """
        while True:
            wakes = self._header[_WAKES]
            keys = self.keys[: self.used].tolist()
            if wakes == self._header[_WAKES]:
                break
        if without >= 0:
            keys[without] = NEVER
        return min(keys, default=NEVER)

    def lower(self, seat: int, key: int) -> None:
        """Give *seat*, which is woken, *key* if it had a later one; under the lock."""
        self.keys[seat] = min(self.keys[seat], key)
        self._header[_WAKES] += 1

    def holder(self, key: int) -> int:
        """The seat with *key*, -1 if it has changed."""
        keys = self.keys[: self.used].tolist()
        return keys.index(key) if key in keys else -1

    def of_host(self, host_pid: int) -> int:
        """The seat of a host process, or -1."""
        hosts = self.hosts[: self.used].tolist()
        return hosts.index(host_pid) if host_pid in hosts else -1

    # --- waiting for each other --------------------------------------------------------------------

    def _at(self, seat: int) -> int:
        return self._semaphores + _SEMAPHORE_BYTES * seat

    def post(self, seat: int) -> None:
        """Let the process of *seat* look again."""
        _libc.sem_post(ctypes.c_void_p(self._at(seat)))

    def pause(self, seat: int, seconds: float) -> bool:
        """In the process of *seat*: sleep until somebody posts; False when nobody did."""
        until = _Timespec(*divmod(time.time_ns() + int(seconds * 1e9), 10**9))
        return bool(_libc.sem_timedwait(ctypes.c_void_p(self._at(seat)), ctypes.byref(until)) == 0)

    def is_gone(self, seat: int) -> bool:
        """Whether the host process of *seat* has ended without leaving it."""
        host_pid = self.hosts[seat]
        if not host_pid:
            return False
        try:
            with open(f"/proc/{host_pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
        except OSError:
            return not os.path.exists(f"/proc/{host_pid}")

    def close(self) -> None:
        """Let go of the shared memory; idempotent."""
        self._raw = None
        for view in self._views:
            view.release()
