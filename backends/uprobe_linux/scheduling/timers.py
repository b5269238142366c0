"""Interval timers and POSIX timers of the processes in this host process, on the machine's clock.

Facts: kernel/time/itimer.c, kernel/time/posix-timers.c (overruns, rearming when
the signal is taken), setitimer(2), timer_create(2).
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import mmap
import struct
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from uprobe_linux.scheduling.clock import saturated
from uprobe_linux.signals.numbers import SI_TIMER, Sig
from uprobe_linux.signals.sending import kernel_info, send, send_to_task
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from uprobe_linux.kernel import Process
    from uprobe_linux.scheduling.clock import Clock

__all__ = ("ITIMER_PROF", "ITIMER_REAL", "ITIMER_VIRTUAL", "SharedTimer", "Timer", "Timers")

ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = 0, 1, 2
_SIGNALS = {ITIMER_REAL: Sig.ALRM, ITIMER_VIRTUAL: Sig.VTALRM, ITIMER_PROF: Sig.PROF}
OVERRUN_MAX = 0x7FFF_FFFF
_QUIET, _MORE = 2, 3
"""Words of a SharedTimer."""
_CROWD = 64
"""So many entries of the past may lie among those of the timers that are armed."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Timer:
    """One timer.

    :param number: ITIMER_* for an interval timer, the timer's id otherwise
    :param signo: what it sends, 0: nothing (SIGEV_NONE)
    :param tid: the thread it sends to (SIGEV_THREAD_ID), 0: the process
    :param cpu: counts processor time instead of the monotonic clock
    :param expiry: in ns of its clock, None while disarmed
    :param interval: ns between expiries, 0: once
    :param on_expiry: called with the number of expiries instead of sending a signal (timerfd)
    """

    process: Process
    number: int
    signo: int
    value: int = 0
    tid: int = 0
    cpu: bool = False
    realtime: bool = False
    posix: bool = True
    expiry: int | None = None
    interval: int = 0
    queued: bool = False
    overruns: int = 0
    last_overrun: int = 0
    on_expiry: Callable[[int], object] | None = None

    def take(self, now: int) -> int:
        """How often it has expired by *now* (ns of its clock); a periodic timer is armed again."""
        if self.expiry is None or self.expiry > now:
            return 0
        if not self.interval:
            self.expiry = None
            return 1
        times = 1 + (now - self.expiry) // self.interval
        self.expiry += times * self.interval
        return times

    def left(self, now: int) -> int:
        """Nanoseconds until it expires, at least 1 while armed; 0: disarmed."""
        return 0 if self.expiry is None else max(self.expiry - now, 1)


class SharedTimer(Timer):
    """A timer that all host processes which hold its descriptor see, set and let expire (timerfd).

    One that has expired and was not read is quiet until it is read or asked (fs/timerfd.c): what the
    count has become follows from the time.

    :param lock: held while it is decided whose expiry it is
    :ivar words: expiry (0: disarmed), interval, whether it is quiet, expiries that nobody was told of
    """

    __slots__ = ("_lock", "words")

    def __init__(
        self, process: Process, *, realtime: bool, lock: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._lock = lock
        self.words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        super().__init__(process, -1, 0, realtime=realtime)

    @property
    def expiry(self) -> int | None:
        """As for every timer; 0 in memory while disarmed."""
        return self.words[0] or None

    @expiry.setter
    def expiry(self, value: int | None) -> None:
        self.words[0] = saturated(value or 0)

    @property
    def interval(self) -> int:
        """As for every timer."""
        return self.words[1]

    @interval.setter
    def interval(self, value: int) -> None:
        self.words[1] = saturated(value)

    def take(self, now: int) -> int:
        """As for every timer; 0 if another host process was first."""
        with self._lock():
            times = 0 if self.words[_QUIET] else super().take(now)
            self.words[_QUIET] |= times > 0
            return times

    def was_read(self, now: int) -> int:
        """The count was taken: how often it has expired beyond that by *now*; it expires again."""
        self._go_on(now)
        times, self.words[_MORE] = self.words[_MORE], 0
        return times

    def _go_on(self, now: int) -> None:
        """What expired while it was quiet is counted, and the next expiry is told of."""
        with self._lock():
            if self.words[_QUIET]:
                self.words[_QUIET] = 0
                self.words[_MORE] += super().take(now)

    def left(self, now: int) -> int:
        """As for every timer; who asks a periodic one hears of its next expiry, read or not."""
        if self.interval:
            self._go_on(now)
        return super().left(now)


@dataclass(eq=False, slots=True)
class _Owned:
    """The timers of one process: those of setitimer by kind, those of timer_create by id."""

    intervals: dict[int, Timer] = field(default_factory=dict)
    posix: dict[int, Timer] = field(default_factory=dict)
    next_id: int = 0

    def disarm(self) -> None:
        """None of them expires any more."""
        for timer in (*self.intervals.values(), *self.posix.values()):
            timer.expiry = None


class Timers:
    """All timers of this host process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._owned: dict[Process, _Owned] = {}
        self._due: dict[bool, list[tuple[int, int, Timer]]] = {False: [], True: []}
        """Heaps of (expiry, number, timer), of processor time and else; a timer that was set anew since
        has another expiry. There may be tens of thousands."""
        self._numbers = itertools.count()
        self._crowded = _CROWD
        self._watched: dict[int, tuple[weakref.ref[SharedTimer], memoryview]] = {}
        """Timers of descriptors that live, with the words that they are kept in: there may be thousands."""

    def watch(self, timer: SharedTimer) -> None:
        """Let a timer of a timerfd expire for as long as its descriptor lives."""
        number, watched = id(timer), self._watched
        watched[number] = weakref.ref(timer, lambda _gone: watched.pop(number, None)), timer.words

    def interval(self, process: Process, which: int) -> Timer:
        """The interval timer *which* (ITIMER_*) of *process*."""
        owned = self._owned.setdefault(process, _Owned())
        timer = Timer(process, which, _SIGNALS[which], cpu=which != ITIMER_REAL, posix=False)
        return owned.intervals.setdefault(which, timer)

    def create(self, timer: Timer) -> int:
        """Give a new POSIX timer its id, which is returned."""
        owned = self._owned.setdefault(timer.process, _Owned())
        timer.number = owned.next_id
        owned.posix[timer.number] = timer
        owned.next_id += 1
        return timer.number

    def count(self, process: Process) -> int:
        """How many POSIX timers *process* has."""
        owned = self._owned.get(process)
        return len(owned.posix) if owned else 0

    def find(self, process: Process, number: int) -> Timer | None:
        """The POSIX timer *number* of *process*."""
        owned = self._owned.get(process)
        return owned.posix.get(number) if owned else None

    def delete(self, timer: Timer) -> None:
        """Forget a POSIX timer."""
        timer.expiry = None
        self._owned[timer.process].posix.pop(timer.number, None)

    def forget(self, process: Process) -> None:
        """*process* ended: all its timers go."""
        owned = self._owned.pop(process, None)
        if owned is not None:
            owned.disarm()

    def keep_only(self, process: Process) -> None:
        """In a new host process: only *process* is here (and after a fork it has no timers)."""
        for owner in [owner for owner in self._owned if owner is not process]:
            self.forget(owner)

    def forget_posix(self, process: Process) -> None:
        """exec: POSIX timers go, interval timers stay."""
        if process in self._owned:
            for timer in list(self._owned[process].posix.values()):
                self.delete(timer)

    def now(self, timer: Timer) -> int:
        """The time of the clock that *timer* counts, in ns."""
        return self._clock.cpu_time() if timer.cpu else self._clock.monotonic()

    def left(self, timer: Timer) -> int:
        """Nanoseconds until *timer* expires, at least 1 while armed; 0: disarmed."""
        return timer.left(self.now(timer))

    def arm(self, timer: Timer, expiry: int | None) -> None:
        """Let *timer* expire at *expiry* (ns of its clock), None: not at all."""
        timer.expiry = expiry
        if expiry is None:
            return
        due = self._due[timer.cpu]
        if len(due) > self._crowded:
            due[:] = {each[2]: each for each in due if each[2].expiry == each[0]}.values()
            heapq.heapify(due)
            self._crowded = 2 * len(due) + _CROWD
        heapq.heappush(due, (expiry, next(self._numbers), timer))

    def _first(self, *, cpu: bool) -> Timer | None:
        """The armed timer that expires first by its clock."""
        due = self._due[cpu]
        while due and due[0][2].expiry != due[0][0]:
            heapq.heappop(due)
        return due[0][2] if due else None

    def next_expiry(self, *, asleep: bool = False) -> int | None:
        """When (monotonic ns) the next timer expires if all work goes on; None: no timer is armed.

        :param asleep: nobody runs, so timers of processor time do not count
        """
        now = self._clock.monotonic()
        first = [self._first(cpu=cpu) for cpu in ((False,) if asleep else (False, True))]
        times = [now + self.left(timer) for timer in first if timer is not None]
        shared = [at for _, words in self._watched.values() if (at := words[0]) and not words[_QUIET]]
        if shared:
            times.append(max(min(shared), now + 1))
        return min(times, default=None)

    def expire(self) -> None:
        """Send the signals of all timers whose time has come."""
        for cpu, now in ((False, self._clock.monotonic()), (True, self._clock.cpu_time())):
            while (timer := self._first(cpu=cpu)) is not None and (timer.expiry or 0) <= now:
                self._fire(timer, now)
        for timer in self._shared_by(self._clock.monotonic()):
            self._fire(timer, self.now(timer))

    def _shared_by(self, now: int) -> list[SharedTimer]:
        """The timers of descriptors that expire by *now*, the first first."""
        due = [
            (at, ref())
            for ref, words in list(self._watched.values())
            if 0 < (at := words[0]) <= now and not words[_QUIET]
        ]
        return [timer for _, timer in sorted(due, key=lambda each: each[0]) if timer is not None]

    def _fire(self, timer: Timer, now: int) -> None:
        times = timer.take(now)
        if not isinstance(timer, SharedTimer):
            self.arm(timer, timer.expiry)
        if not times:
            return
        if timer.on_expiry is not None:
            timer.on_expiry(times)
        if not timer.signo:
            return
        if not timer.posix:
            send(timer.process, kernel_info(timer.signo))
        elif timer.queued:
            timer.overruns = min(timer.overruns + times, OVERRUN_MAX)
        else:
            timer.overruns, timer.queued = times - 1, True
            self._send(timer)

    @staticmethod
    def _send(timer: Timer) -> None:
        info = SigInfo.from_timer(timer.signo, SI_TIMER, timer.number, timer.overruns, timer.value, timer)
        with contextlib.suppress(OSError):
            if not timer.tid:
                send(timer.process, info)
                return
            for task in timer.process.tasks:
                if task.tid == timer.tid and not task.exited:
                    send_to_task(task, info)

    @staticmethod
    def delivered(info: SigInfo) -> SigInfo:
        """A timer's signal is taken: it carries the overruns up to now, and the count starts again."""
        timer = info.timer
        assert isinstance(timer, Timer)
        timer.queued = False
        timer.last_overrun, timer.overruns = timer.overruns, 0
        payload = struct.pack("<iiQ", timer.number, timer.last_overrun, timer.value)
        return replace(info, payload=payload)
