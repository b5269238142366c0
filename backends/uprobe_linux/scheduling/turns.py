"""In which order the processes of a machine do what others can see: by virtual time, not by the host's.

Each host process runs guest code for itself. A system call whose effect or answer another
process could tell (a pipe, a file, a child, a signal) is made by the one whose turn it is: the
lowest by epoch of the virtual clock, and by pid within an epoch. So all such calls of a machine have one
order, which follows from the program, its input and the seed alone (conservative
discrete-event simulation: nobody acts before everybody else is known to be later).

A process that sleeps has no turn. Who does something that it may wait for marks it, *before* doing
it, and it is at least that late when it wakes; one that sleeps until a time has its turn
then. Signals for a process that is executing reach it where it makes an ordered call, or at
the end of the epoch in which they were sent. What comes from outside the machine
(a terminal, a network) comes when it comes, and the order is the host's from there on.

As long as there is one process nothing of this happens.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.shared.seats import (
    NEVER,
    State,
    epoch_end,
    epoch_of,
    epoch_start,
    key_of,
    moment_at,
    moment_of,
)

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine
    from uprobe_linux.shared.seats import Seats

__all__ = ("ANY", "EVERY", "Turns", "channel_of")

ANY, EVERY = -1, -2
"""Channels: what is no pipe; and for who touches: all there are."""
_TURN, _EPOCH = 1, 2
"""What a seat waits for: to be the lowest; that all others have come to its epoch."""
PAUSE_SECONDS = 0.05
"""How long a process waits for its turn before it asks whether the one before it is still there."""


class Turns:
    """The seat of this host process, and its turn."""

    def __init__(self, machine: Machine, seats: Seats) -> None:
        self._machine = machine
        self._seats = seats
        self.several = False
        """Whether there is an order to keep: there was a fork, and time is the machine's own."""
        self.horizon = NEVER
        """Clock (ns) at which a process that is executing has to look at the others again."""
        self._turn_ends = 0
        """Clock (ns) up to which it is known to be our turn."""
        self._seat, self._order, self._least = -1, 0, 0
        self._touched: list[int] = []
        """Seats that we have marked since our turn began to do something."""

    # --- seats -------------------------------------------------------------------------------------

    def reserve(self, pid: int) -> int:
        """We are about to fork for guest process *pid*: its seat, which comes after our turn; -1: none."""
        if not self._machine.clock.virtual:
            return -1
        now = self._machine.clock.monotonic()
        self._let_see()  # nobody writes what is ours but we
        if not self.several:
            self._order = self._machine.family.main_pid
            self._seat = self._seats.take(moment_at(now), self._order, now)
            self._seats.hosts[self._seat] = os.getpid()
            self.several = True
        seat = self._seats.take(self._moment(now) + 1, pid, now)
        self._look_again()
        return seat

    def seated(self, seat: int, host_pid: int) -> None:
        """The host process for *seat* is *host_pid*; 0: there will be none."""
        if seat < 0:
            return
        if host_pid:
            self._seats.hosts[seat] = host_pid
        else:
            self._seats.free(seat)

    def sit(self, seat: int, pid: int) -> None:
        """In a new host process, made for guest process *pid*: *seat* is ours."""
        if seat < 0:
            return
        self._seat, self._order = seat, pid
        self._seats.hosts[seat] = os.getpid()
        self._touched = []
        self._least = moment_of(self._seats.keys[seat])
        self._look_again()

    def leave(self) -> None:
        """No guest code runs here any more."""
        if self.several:
            self.settle()
            self._seats.free(self._seat)
            self._wake_next()
            self.several = False

    def lost(self, host_pid: int) -> None:
        """A host process that we forked has ended; if it was killed its seat is still there."""
        seat = self._seats.of_host(host_pid) if self.several else -1
        if seat >= 0:
            self._seats.free(seat)
            self._wake_next()

    def end(self) -> None:
        """The run is being ended: nobody waits for a turn any more."""
        self._seats.end()

    # --- turns -------------------------------------------------------------------------------------

    @property
    def moment(self) -> int:
        """That of what we do now."""
        return self._moment(self._machine.clock.monotonic())

    def take(self) -> None:
        """Wait until it is our turn; it then is until the epoch ends, or until we wake somebody."""
        if self.several and self._machine.clock.monotonic() >= self._turn_ends:
            self._take()

    @property
    def ends(self) -> int:
        """The clock (ns) up to which it is known to be our turn."""
        return self._turn_ends if self.several else NEVER

    def _take(self) -> None:
        key = self._publish()
        self._wait(_TURN, key)
        self._turn_ends = self.horizon = self._others_are_later_until(key)
        self._machine.family.receive(None)

    def cross(self) -> None:
        """If an epoch has ended: wait until it has for all others, and take the signals of it."""
        if not self.several or self._machine.clock.monotonic() < self.horizon:
            return
        key = self._publish()
        self._wait(_EPOCH, key)
        self.horizon = self._others_are_later_until(key)
        if self._machine.family.receive(None if self._seats.over else moment_at(epoch_start(key))):
            self.horizon = epoch_end(key)

    def forgo(self) -> None:
        """What follows takes long and nobody can see it: let the others go first."""
        if self.several:
            self.settle()
            self._least = self.moment + 1
            self._look_again()
            self._publish()

    def _look_again(self) -> None:
        """Others may have their turn before us now."""
        self._turn_ends = self.horizon = 0
        self._machine.scheduler.attend()

    def _let_see(self) -> None:
        """Others may have their turn from here on: they find what we have become."""
        self._machine.family.papers.settle()

    def _moment(self, now: int) -> int:
        return max(moment_at(now), self._least)

    def _publish(self) -> int:
        """Tell how far we are; returns our key."""
        self.settle()
        key = key_of(self.moment, self._order)
        if self._seats.keys[self._seat] != key:
            self._let_see()
            self._seats.keys[self._seat] = key
            self._wake_next()
        return key

    def _others_are_later_until(self, key: int) -> int:
        """The clock up to which nobody else has a turn, at least the end of the epoch of *key*."""
        other = self._seats.lowest(without=self._seat)
        return NEVER if other == NEVER else max(epoch_start(other), epoch_end(key))

    def _is_ours(self, what: int, key: int, lowest: int) -> bool:
        return key <= lowest if what == _TURN else epoch_of(key) <= epoch_of(lowest)

    def _wait(self, what: int, key: int) -> None:
        """Until *what* has come for our *key*, or the run is being ended."""
        seats, me = self._seats, self._seat
        while not self._is_ours(what, key, lowest := seats.lowest()):
            if self._machine.stop_requested or seats.over:
                break
            seats.waiting[me] = what
            if seats.lowest() == lowest:
                self._hurry(lowest)
                if not seats.pause(me, PAUSE_SECONDS):
                    self._look_after(lowest)
        seats.waiting[me] = 0

    def _hurry(self, lowest: int) -> None:
        """Whoever has the turn and sleeps until a time that has come need not sleep on."""
        seat = self._seats.holder(lowest)
        if seat >= 0 and self._seats.states[seat] == State.ASLEEP:
            self._machine.family.bell.ring(self._seats.hosts[seat])

    def _look_after(self, lowest: int) -> None:
        """We have waited long for the seat with key *lowest*: it may be gone, or know of nobody who waits."""
        seat = self._seats.holder(lowest)
        if seat < 0:
            return
        if self._seats.is_gone(seat):
            self._seats.free(seat)
        elif self._seats.hosts[seat]:
            self._machine.family.bell.ring(self._seats.hosts[seat])

    def rung(self) -> None:
        """Somebody rang while we were executing: perhaps it waits for us."""
        if self.several:
            self._turn_ends = self.horizon = 0

    def _wake_next(self) -> None:
        """Our key has changed: let those go on whose turn it is now."""
        seats = self._seats
        waiting = seats.waiting[: seats.used].tolist()
        if not any(waiting):
            return
        lowest = seats.lowest()
        for seat, what in enumerate(waiting):
            if what and self._is_ours(what, seats.keys[seat], lowest):
                seats.post(seat)

    # --- sleeping and waking -----------------------------------------------------------------------

    def wake(self, host_pid: int) -> None:
        """Somebody in another host process is to look; if it sleeps it wakes, at our time."""
        seat = self._seats.of_host(host_pid) if self.several else -1
        if seat < 0 or self._seats.over:
            self._machine.family.bell.ring(host_pid)
        elif self._seats.states[seat] == State.ASLEEP:
            self._mark(seat)

    def touch(self, channel: int) -> None:
        """We are about to do something to *channel*, whose readiness others may wait for."""
        seats = self._seats
        if not self.several:
            return
        for seat, other in enumerate(seats.channels[: seats.used].tolist()):
            if other and (channel in (other, EVERY) or other == ANY) and seats.states[seat] == State.ASLEEP:
                self._mark(seat)

    @property
    def opens_noticed(self) -> bool:
        """Whether somebody waits for what is no pipe: a FIFO's other end, inotify, which an open may end."""
        return self.several and ANY in self._seats.channels[: self._seats.used]

    def touch_descriptor(self, host: int) -> None:
        """The same for the host's descriptor *host*."""
        if any(self._seats.channels[: self._seats.used]):
            self.touch(channel_of((host,)))

    def _mark(self, seat: int) -> None:
        self._seats.states[seat] = State.TOUCHED
        self._touched.append(seat)

    def settle(self) -> None:
        """What we did is done: those that were marked wake."""
        if self._touched:
            with self._seats.locked():
                self._wake_touched()
            self._look_again()

    def _wake_touched(self) -> None:
        """The first first: each may have its turn at once."""
        self._let_see()
        touched, self._touched = self._touched, []
        now, woken = self._machine.clock.monotonic(), []
        for seat in touched:
            clock = max(self._seats.clocks[seat], now)
            moment = max(moment_at(clock), self._moment(now))
            woken.append((key_of(moment, self._seats.orders[seat]), seat, clock))
        for key, seat, clock in sorted(woken):
            self._wake(seat, key, clock)

    def _wake(self, seat: int, key: int, clock: int) -> None:
        seats = self._seats
        if seats.states[seat] != State.TOUCHED:  # it was stopped meanwhile
            return
        seats.clocks[seat] = clock
        seats.lower(seat, key)
        seats.states[seat] = State.MARKED
        seats.post(seat)
        self._machine.family.bell.ring(seats.hosts[seat])

    def sleep(self, deadline: int | None, channel: int, wait: Callable[[int | None], bool]) -> None:
        """Give up the turn until somebody marks us, until *deadline* (clock, ns), or until *wait* says that
        something has come from outside.

        :param wait: sleeps so many nanoseconds on the host, None: for ever; it may end sooner
        """
        seats, me, clock = self._seats, self._seat, self._machine.clock
        seats.clocks[me], seats.channels[me] = clock.monotonic(), channel
        late = NEVER if deadline is None else key_of(self._moment(deadline), self._order)
        with seats.locked():
            # In this order: whom we wake may have its turn at once, and may mark us then.
            seats.states[me] = State.ASLEEP
            self._wake_touched()
            seats.keys[me] = late
        self._wake_next()
        by_mark = self._sleep(deadline, late, wait)
        woken = seats.clocks[me] if by_mark else NEVER
        if deadline is not None:
            woken = min(woken, deadline)
        self._least = max(self._least, moment_of(seats.keys[me]))
        clock.catch_up(woken)
        seats.channels[me], seats.states[me] = 0, State.RUNNING
        self._turn_ends = 0
        self._take()

    def _sleep(self, deadline: int | None, late: int, wait: Callable[[int | None], bool]) -> bool:
        """Whether we were marked; else the deadline has come."""
        seats, me, machine = self._seats, self._seat, self._machine
        left = None if deadline is None else max(deadline - machine.clock.monotonic(), 0)
        while True:
            ready = wait(left) if seats.states[me] == State.ASLEEP else False
            while seats.states[me] == State.TOUCHED and not seats.over:
                seats.pause(me, PAUSE_SECONDS)
            if seats.states[me] != State.ASLEEP:
                return True
            if ready or machine.stop_requested or machine.soon or seats.over:
                self._come_from_outside()
            elif deadline is not None:  # it has come, or who rang waits for us to have our turn
                left = 0
                if self._has_come(late):
                    return False

    def _has_come(self, key: int) -> bool:
        """Whether it is our turn with *key*; if not, a short sleep."""
        seats, me = self._seats, self._seat
        seats.waiting[me] = _TURN
        ours = self._is_ours(_TURN, key, lowest := seats.lowest())
        if not ours:
            self._hurry(lowest)
            if not seats.pause(me, PAUSE_SECONDS):
                self._look_after(lowest)
        seats.waiting[me] = 0
        return ours

    def _come_from_outside(self) -> None:
        """What we wait for has come from outside: now, which is not before what all others have done."""
        seats, me = self._seats, self._seat
        lowest = seats.lowest(without=me)
        if lowest == NEVER:
            seats.clocks[me] = max(seats.clocks[: seats.used])
        else:
            seats.clocks[me] = max(seats.clocks[me], epoch_start(lowest))
        with seats.locked():
            if seats.states[me] == State.ASLEEP:
                seats.lower(me, key_of(self._moment(seats.clocks[me]), self._order))
                seats.states[me] = State.MARKED
        # Only now: who is alone in executing looks at nobody until it is rung, and has to see us then.
        lowest = seats.lowest(without=me)
        first = -1 if lowest == NEVER else seats.holder(lowest)
        if first >= 0 and seats.hosts[first]:
            self._machine.family.bell.ring(seats.hosts[first])


def channel_of(hosts: tuple[int, ...]) -> int:
    """What others know the host's descriptors *hosts* by: the one pipe's inode, or ANY; 0 for none."""
    if len(hosts) != 1:
        return ANY if hosts else 0
    status = os.fstat(hosts[0])
    return status.st_ino if stat.S_ISFIFO(status.st_mode) else ANY
