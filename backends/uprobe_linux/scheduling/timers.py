"""Interval timers and POSIX timers of the processes in this host process, on the machine's clock.

Facts: kernel/time/itimer.c, kernel/time/posix-timers.c (overruns, rearming when
the signal is taken), setitimer(2), timer_create(2).
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from uprobe_linux.scheduling.descriptor_timers import DescriptorTimers, SharedTimer
from uprobe_linux.scheduling.timer import Timer
from uprobe_linux.signals.numbers import SI_TIMER, Sig
from uprobe_linux.signals.sending import kernel_info, send, send_to_task
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process
    from uprobe_linux.scheduling.clock import Clock

__all__ = ("ITIMER_PROF", "ITIMER_REAL", "ITIMER_VIRTUAL", "Timers")

ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = 0, 1, 2
_SIGNALS = {ITIMER_REAL: Sig.ALRM, ITIMER_VIRTUAL: Sig.VTALRM, ITIMER_PROF: Sig.PROF}
OVERRUN_MAX = 0x7FFF_FFFF
_CROWD = 64
"""So many entries of the past may lie among those of the timers that are armed."""


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
        self.descriptors = DescriptorTimers()

    def before_fork(self) -> None:
        """From now on others may hold our descriptors."""
        self.descriptors.before_fork()

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
        of_descriptors = self.descriptors.next_expiry()
        if of_descriptors is not None:
            times.append(max(of_descriptors, now + 1))
        return min(times, default=None)

    def expire(self) -> None:
        """Send the signals of all timers whose time has come."""
        for cpu, now in ((False, self._clock.monotonic()), (True, self._clock.cpu_time())):
            while (timer := self._first(cpu=cpu)) is not None and (timer.expiry or 0) <= now:
                self._fire(timer, now)
        for timer in self.descriptors.take(self._clock.monotonic()):
            self._fire(timer, self.now(timer))

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
