"""Who waits at which futex, and who is woken; the system call is in syscalls/futexes.py.

A key names a word: private ones belong to one address space and live in this
host process's queues; shared ones (a word of a shared mapping) live in a table
that all host processes of the machine share.  Waiters wake in the order they
came, which the kernel also does among equal priorities.

Facts: kernel/futex/core.c (get_futex_key), waitwake.c, requeue.c, pi.c; futex(2).
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

__all__ = ("MATCH_ANY", "FutexKey", "FutexQueues", "Waiter")

MATCH_ANY = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class FutexKey:
    """A futex word.

    :param shared: whether other address spaces can name it too
    :param space: the address space's id when private; device and inode (or the like) when shared
    :param offset: the address when private, the position in the shared object in bytes when shared
    """

    shared: bool
    space: int
    offset: int


class SharedWaiters(Protocol):
    """What the queues need of the table for shared keys (:mod:`uprobe_linux.scheduling.shared_futex`)."""

    def add(self, waiter: Waiter) -> None:
        """Enter a waiter; sets its *row*."""
        ...

    def remove(self, waiter: Waiter) -> None:
        """Take it out."""
        ...

    def is_woken(self, row: int) -> bool:
        """Whether the waiter in *row* was woken."""
        ...

    def wake(self, key: FutexKey, count: int, bitset: int) -> int:
        """Wake at most *count*, in any host process."""
        ...

    def move(self, source: FutexKey, target: FutexKey, count: int) -> int:
        """Requeue at most *count*."""
        ...

    def count(self, key: FutexKey) -> int:
        """How many wait there."""
        ...

    def first_owner(self, key: FutexKey) -> int | None:
        """Owner of the oldest waiter."""
        ...

    def locked(self) -> AbstractContextManager[object]:
        """Hold off the other host processes."""
        ...


class Waiter:
    """One task waiting at one futex.

    :param owner: whatever the caller wants to know it by again (its tid for PI)
    """

    __slots__ = ("_table", "bitset", "key", "owner", "row", "woken_here")

    def __init__(self, key: FutexKey, bitset: int, owner: int) -> None:
        self.key = key
        self.bitset = bitset
        self.owner = owner
        self.woken_here = False
        self.row = -1
        self._table: SharedWaiters | None = None

    @property
    def woken(self) -> bool:
        """Whether a wake has reached it."""
        return self.woken_here or (self._table is not None and self._table.is_woken(self.row))


class FutexQueues:
    """All waiters that this host process can see.

    :param shared: the table for shared keys
    """

    def __init__(self, shared: SharedWaiters) -> None:
        self._queues: dict[FutexKey, deque[Waiter]] = {}
        self._shared = shared
        self._woken: list[Waiter] = []
        """Waiters of this host process that were woken, until their threads are."""
        self.version = 0
        """Changes with the private keys that somebody waits at."""

    def add(self, key: FutexKey, owner: int, bitset: int = MATCH_ANY) -> Waiter:
        """Queue a waiter; the caller has compared the word's value, under :meth:`guard` if shared."""
        waiter = Waiter(key, bitset, owner)
        if key.shared:
            self._shared.add(waiter)
            waiter._table = self._shared
        else:
            self._queues.setdefault(key, deque()).append(waiter)
            self.version += 1
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Take a waiter out, woken or not; idempotent."""
        if waiter._table is not None:
            waiter.woken_here = waiter.woken
            waiter._table.remove(waiter)
            waiter._table = None
            return
        queue = self._queues.get(waiter.key)
        if queue and waiter in queue:
            queue.remove(waiter)
            self._drop_if_empty(waiter.key)

    def wake(self, key: FutexKey, count: int, bitset: int = MATCH_ANY) -> int:
        """Wake at most *count* waiters whose bitset meets *bitset*; returns how many."""
        if key.shared:
            return self._shared.wake(key, count, bitset)
        meeting = (w for w in self._queues.get(key, ()) if w.bitset & bitset)
        woken = list(itertools.islice(meeting, count))
        for waiter in woken:
            waiter.woken_here = True
            self.remove(waiter)
        self._woken += woken
        return len(woken)

    def take_woken(self) -> list[Waiter]:
        """Whom :meth:`wake` has woken in this host process since the last time."""
        woken, self._woken = self._woken, []
        return woken

    def move(self, source: FutexKey, target: FutexKey, count: int) -> int:
        """Let at most *count* waiters of *source* wait at *target* instead; returns how many."""
        if source.shared or target.shared:
            return self._shared.move(source, target, count) if source.shared and target.shared else 0
        moved = list(itertools.islice(self._queues.get(source, ()), count))
        for waiter in moved:
            self.remove(waiter)
            waiter.key = target
            self.version += 1
            self._queues.setdefault(target, deque()).append(waiter)
        return len(moved)

    def waiting(self, key: FutexKey) -> int:
        """How many wait at *key*."""
        return self._shared.count(key) if key.shared else len(self._queues.get(key, ()))

    def first_owner(self, key: FutexKey) -> int | None:
        """The owner of the waiter that would be woken next, or None."""
        if key.shared:
            return self._shared.first_owner(key)
        queue = self._queues.get(key)
        return queue[0].owner if queue else None

    def guard(self, key: FutexKey) -> AbstractContextManager[object]:
        """Holds off wakes of *key* by other host processes, between looking at the word and queueing."""
        return self._shared.locked() if key.shared else nullcontext()

    def after_fork(self) -> None:
        """In the new host process: nobody waits here."""
        self._queues.clear()
        self._woken.clear()
        self.version += 1

    def _drop_if_empty(self, key: FutexKey) -> None:
        if not self._queues[key]:
            del self._queues[key]
            self.version += 1

    def private(self) -> list[Waiter]:
        """Who waits with a private key, in whatever address space; of one key in the order they came."""
        return [waiter for queue in self._queues.values() for waiter in queue]
