"""Timers of descriptors (timerfd): they expire for as long as their descriptor lives, whoever holds it."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import mmap
import weakref
from functools import partial
from typing import TYPE_CHECKING

from uprobe_linux.scheduling.clock import saturated
from uprobe_linux.scheduling.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from uprobe_linux.kernel import Process

__all__ = ("DescriptorTimers", "SharedTimer")

_QUIET, _MORE = 2, 3
"""Words of a SharedTimer."""
_CROWD = 64
"""So many entries of the past may lie among those of the timers that are armed."""


def _ignore() -> None:
    """What nobody listens to."""


_NOBODY_ELSE = contextlib.nullcontext()


class SharedTimer(Timer):
    """A timer that all host processes which hold its descriptor see, set and let expire (timerfd).

    One that has expired and was not read is quiet until it is read or asked (fs/timerfd.c): what the
    count has become follows from the time.

    :param lock: held while it is decided whose expiry it is, once others may hold the descriptor
    :ivar words: expiry (0: disarmed), interval, whether it is quiet, expiries that nobody was told of
    :ivar alone: no other host process has the descriptor
    :ivar on_set: called when it may expire at another time than it was to
    """

    __slots__ = ("_lock", "alone", "on_set", "words")

    def __init__(
        self, process: Process, *, realtime: bool, lock: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._lock, self.alone = lock, True
        self.on_set: Callable[[], object] = _ignore
        self.words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        super().__init__(process, -1, 0, realtime=realtime)

    @property
    def expiry(self) -> int | None:
        """As for every timer; 0 in memory while disarmed."""
        return self.words[0] or None

    @expiry.setter
    def expiry(self, value: int | None) -> None:
        self.words[0] = saturated(value or 0)
        self.on_set()

    @property
    def interval(self) -> int:
        """As for every timer."""
        return self.words[1]

    @interval.setter
    def interval(self, value: int) -> None:
        self.words[1] = saturated(value)

    def take(self, now: int) -> int:
        """As for every timer; 0 if another host process was first."""
        with self._decided():
            times = 0 if self.words[_QUIET] else self._advance(now)
            self.words[_QUIET] |= times > 0
            return times

    def _decided(self) -> AbstractContextManager[object]:
        return _NOBODY_ELSE if self.alone else self._lock()

    def _advance(self, now: int) -> int:
        """Timer.take, and nobody is told."""
        expiry, interval = self.words[0], self.words[1]
        if not expiry or expiry > now:
            return 0
        times = 1 + (now - expiry) // interval if interval else 1
        self.words[0] = saturated(expiry + times * interval) if interval else 0
        return times

    def was_read(self, now: int) -> int:
        """The count was taken: how often it has expired beyond that by *now*; it expires again."""
        self._go_on(now)
        times, self.words[_MORE] = self.words[_MORE], 0
        return times

    def _go_on(self, now: int) -> None:
        """What expired while it was quiet is counted, and the next expiry is told of."""
        if not self.words[_QUIET]:
            return
        with self._decided():
            if self.words[_QUIET]:
                self.words[_QUIET] = 0
                self.words[_MORE] += self._advance(now)
        self.on_set()

    def left(self, now: int) -> int:
        """As for every timer; who asks a periodic one hears of its next expiry, read or not."""
        if self.interval:
            self._go_on(now)
        return super().left(now)


_Watched = tuple[weakref.ref[SharedTimer], memoryview]
"""The timer of a descriptor, for as long as that lives, and the words that it is kept in."""


def _forget(watched: dict[int, _Watched], number: int, _gone: object) -> None:
    watched.pop(number, None)


class _OwnTimers:
    """Timers of descriptors that nobody else holds: whatever sets one tells us.  There may be thousands."""

    def __init__(self) -> None:
        self._timers: dict[int, _Watched] = {}
        self._due: list[tuple[int, int]] = []
        """A heap of (expiry, number); of a timer that was set anew, is quiet or is gone, it says nothing."""

    def add(self, number: int, timer: SharedTimer) -> None:
        """*number* is higher than all before."""
        self._timers[number] = weakref.ref(timer, partial(_forget, self._timers, number)), timer.words
        timer.on_set = partial(self._set, number)

    def leave(self) -> list[tuple[int, weakref.ref[SharedTimer], memoryview]]:
        """All of them, which are ours no more."""
        left = [(number, *each) for number, each in self._timers.items()]
        for _, ref, _ in left:
            timer = ref()
            if timer is not None:
                timer.alone, timer.on_set = False, _ignore
        self._timers.clear()
        self._due.clear()
        return left

    def _set(self, number: int) -> None:
        words = self._timers[number][1]
        if not words[0] or words[_QUIET]:
            return
        if len(self._due) > 2 * len(self._timers) + _CROWD:
            self._due = sorted({each for each in self._due if self._holds(*each)})
        heapq.heappush(self._due, (words[0], number))

    def _holds(self, expiry: int, number: int) -> bool:
        """Whether that timer is to expire then."""
        each = self._timers.get(number)
        return each is not None and each[1][0] == expiry and not each[1][_QUIET]

    def first(self) -> int | None:
        """When the first expires."""
        due = self._due
        while due and not self._holds(*due[0]):
            heapq.heappop(due)
        return due[0][0] if due else None

    def take(self, now: int) -> list[tuple[int, int, SharedTimer]]:
        """(expiry, number, timer) of those that expire by *now*."""
        found: dict[int, tuple[int, int, SharedTimer]] = {}
        while (expiry := self.first()) is not None and expiry <= now:
            number = heapq.heappop(self._due)[1]
            timer = self._timers[number][0]()
            if timer is not None:
                found[number] = expiry, number, timer
        return list(found.values())


class DescriptorTimers:
    """All that are known in this host process, the first to expire first."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._own = _OwnTimers()
        self._shared: dict[int, _Watched] = {}
        """Those that others may hold and set: each is looked at whenever one may expire."""

    def watch(self, timer: SharedTimer) -> None:
        """Let *timer*, which is new, expire for as long as its descriptor lives."""
        self._own.add(next(self._numbers), timer)

    def before_fork(self) -> None:
        """From now on others may hold our descriptors."""
        shared = self._shared
        for number, ref, words in self._own.leave():
            timer = ref()
            if timer is not None:
                shared[number] = weakref.ref(timer, partial(_forget, shared, number)), words

    def next_expiry(self) -> int | None:
        """When (monotonic ns) the first expires; None: none is armed."""
        times = [at for _, words in self._shared.values() if (at := words[0]) and not words[_QUIET]]
        own = self._own.first()
        if own is not None:
            times.append(own)
        return min(times, default=None)

    def take(self, now: int) -> list[SharedTimer]:
        """Those that expire by *now*, the first first."""
        due = self._own.take(now)
        for number, (ref, words) in list(self._shared.items()):
            timer = ref() if 0 < words[0] <= now and not words[_QUIET] else None
            if timer is not None:
                due.append((words[0], number, timer))
        return [timer for _, _, timer in sorted(due, key=lambda each: each[:2])]
