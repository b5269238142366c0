"""Which thread runs next and for how long: the same answers for the same seed.

Threads take turns in slices of executed work, which end behind a branch or a system
call: where they end follows from what the program executes alone.  Nothing here looks at
the host's clock to decide.  When nobody can run, the host process sits in one poll over
everything that is waited for, and the virtual clock jumps to the time that was
waited for, not to the time that it took.
"""

from __future__ import annotations

import select
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from uprobe_linux.scheduling.chance import Chance
from uprobe_linux.scheduling.sleepers import Sleepers, waiters
from uprobe_linux.scheduling.turns import channel_of
from uprobe_linux.shared.seats import NEVER
from uprobe_linux.signals.numbers import Sig, bit

if TYPE_CHECKING:
    from uprobe_linux.calls import Wait
    from uprobe_linux.kernel import Machine, Task
    from uprobe_linux.scheduling.futex import Waiter

__all__ = ("Scheduler",)

SHORTEST = 200
"""A slice is of SHORTEST << k to twice as many instructions, k from 0 to 7: short ones shake out races."""
WATCHED = 200_000
"""Nanoseconds between two looks at descriptors that a blocked thread waits for, when one thread runs."""
FOREVER = (1 << 64) - 1
"""A time that never comes."""
LONGEST_MS = 1 << 30
"""poll's argument is an int of milliseconds; a longer sleep is made of several."""
_ALWAYS = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Scheduler:
    """The run queue of this host process.

    :param seed: of the slice lengths and of who starts first
    """

    def __init__(self, machine: Machine, seed: int) -> None:
        self._machine = machine
        self._seed = seed
        self.chance = Chance(seed)
        """Of slices, and of who starts first."""
        self.ready: deque[Task] = deque()
        """Who can run, in the order of their turns."""
        self.version = 1
        """Changes with who is ready, and when somebody begins to run."""
        self._blocked = Sleepers()
        self.slice_end = self._next_look = 0
        self.next_event = 0
        """Clock (monotonic, ns) at which somebody must be looked at again; 0: nothing is due at any time."""
        self.attention = False
        """Whether the running thread must come back to :meth:`next` before it goes on."""

    # --- who there is ----------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """A new thread; whether it or its maker goes on first is up to the seed."""
        self.version += 1
        if self.chance.draw() & 1:
            self.ready.appendleft(task)
            self.attention = True
        else:
            self.ready.append(task)

    def drop(self, task: Task) -> None:
        """A thread that ended or left for another host process; idempotent."""
        wait = self._blocked.pop(task)
        if wait is not None:
            self.abandon(wait)
        if task in self.ready:
            self.ready.remove(task)
        self.version += 1
        self.attention = True

    def only(self, task: Task) -> None:
        """In a new host process: *task* is all there is, and chance goes its own way."""
        self.chance = Chance(self._seed * 1_000_003 + task.tid)
        self.version += 1
        self.ready = deque([task])
        self._blocked.clear()
        self.attention = True

    # --- blocking and waking -----------------------------------------------------------------------

    def block(self, task: Task, wait: Wait) -> None:
        """*task* sleeps until *wait* is over or a signal comes."""
        if task in self.ready:
            self.ready.remove(task)
        self._blocked.add(task, wait)
        if any(waiter.woken for waiter in waiters(wait)):
            self.wake_task(task)
        self.attention = True

    def wake(self, key: Any, count: int = 1 << 30) -> int:
        """Wake at most *count* threads that wait for *key*, in the order they came; returns how many."""
        woken = self._blocked.at(key)[:count]
        for task in woken:
            self.wake_task(task)
        return len(woken)

    def wake_task(self, task: Task) -> None:
        """What *task* waits for may be there: its call is made again."""
        wait = self._blocked.get(task)
        if wait is not None:
            wait.woken = True
            self._unblock(task)

    def collect_futexes(self) -> None:
        """Wake the threads whose futex waiters were woken."""
        for task in self._blocked.woken(self._machine.family.futexes.take_woken()):
            self.wake_task(task)

    def interrupt(self, task: Task) -> None:
        """A signal for *task* was queued: it must look at it before anything else."""
        wait = self._blocked.get(task)
        killed = (task.signals.pending.mask | task.process.signals.pending.mask) & bit(Sig.KILL)
        if wait is not None and (wait.interruptible or killed):
            self._unblock(task)
        self.attention = True

    def abandon(self, wait: Wait) -> None:
        """A blocked call will not be made again: leave every queue that its *wait* stands in."""
        for waiter in waiters(wait):
            self._machine.family.futexes.remove(waiter)

    def resumed(self) -> None:
        """A stopped process goes on."""
        self.attention = True

    def _unblock(self, task: Task) -> None:
        self._blocked.pop(task)
        self.ready.append(task)
        self.version += 1
        self.attention = True

    def sleeper(self, waiter: Waiter) -> Task | None:
        """Who sleeps as *waiter*."""
        return self._blocked.waiting_as(waiter)

    def sleeps(self, task: Task, wait: Wait) -> None:
        """The CPU has let *task* sleep until *wait* is over."""
        self._blocked.add(task, wait)

    def woke(self, task: Task) -> Wait | None:
        """The CPU has woken *task*, if it was asleep: what it waited for."""
        return self._blocked.pop(task)

    @property
    def polls(self) -> bool:
        """Whether somebody sleeps until the host says that a descriptor is ready."""
        return bool(self._blocked.polling)

    def attend(self) -> None:
        """The running thread must come back to :meth:`next` before it goes on."""
        self.attention = True

    # --- choosing ----------------------------------------------------------------------------------

    def next(self, current: Task | None) -> Task | None:
        """The thread to run now, for one slice; None when there is none left.

        :param current: who ran last; goes to the end of the queue when its slice is over
        """
        now = self._machine.clock.monotonic()
        if current is not None and now > self.slice_end and current in self.ready:
            self.ready.remove(current)
            self.ready.append(current)
        while True:
            self._look()
            task = next((t for t in self.ready if not t.process.signals.stopped), None)
            if task is not None:
                return self._start(task, task is current)
            if not self.ready and not self._blocked:
                return None
            if self._machine.stop_requested:
                return None
            if not self._machine.soon:  # else its ring may have been answered by the look above
                self._idle()
            while self._machine.soon:  # nobody runs for who knows how long: this is a safe point too
                self._machine.soon.popleft()()

    def _start(self, task: Task, continues: bool) -> Task:
        now = self._machine.clock.monotonic()
        if len(self.ready) > 1 and (not continues or now > self.slice_end):
            self.slice_end = now + self._length()
        self.version += 1
        self.attention = False
        self.next_event = self._next_deadline() or 0
        if self._blocked.polling:
            # Not only as a budget: a thread that makes one call after the other never uses that up.
            self.next_event = min(self.next_event or self._next_look, self._next_look)
        if self._machine.turns.several and self._machine.turns.horizon < NEVER:
            horizon = self._machine.turns.horizon
            self.next_event = min(self.next_event or horizon, horizon)
        return task

    def _length(self) -> int:
        drawn = self.chance.draw()
        shortest = SHORTEST << (drawn >> 61)
        return shortest + (shortest * (drawn & 0xFFFF_FFFF) >> 32)

    def yield_slice(self) -> None:
        """sched_yield: the running thread's slice is over."""
        self.slice_end = 0
        self.attention = True

    def must_switch(self, *, timed: bool) -> bool:
        """Whether the running thread has to come back to :meth:`next`; asked after every event.

        :param timed: also because of the time that has passed
        """
        if self.attention or self._machine.family.is_rung():
            return True
        if not timed or (not self.next_event and len(self.ready) == 1):
            return False
        now = self._machine.clock.monotonic()
        if self.next_event and now > self.next_event:
            return True
        return now > self.slice_end and len(self.ready) > 1

    def look_at(self) -> int:
        """The clock (monotonic, ns) after which the running thread has to come back; FOREVER: it has not."""
        if self.attention:
            return 0
        limits = [self.next_event] if self.next_event else []
        if len(self.ready) > 1:
            limits.append(self.slice_end)
        return max(min(limits), 0) if limits else FOREVER

    def budget(self) -> int:
        """For how long the chosen thread may run before it comes back, as Cpu.run takes it."""
        if not self._blocked and not self.next_event and len(self.ready) == 1:
            return 0
        now = self._machine.clock.monotonic()
        limits = []
        if len(self.ready) > 1:
            limits.append(self.slice_end - now)
        if self.next_event:
            limits.append(self.next_event - now)
        return min(limits) or -1 if limits else 0

    # --- looking and sleeping ------------------------------------------------------------------------

    def _look(self) -> None:
        """Let everything that has happened by now take effect."""
        self._machine.family.look()
        self._machine.turns.cross()
        now = self._machine.clock.monotonic()
        self._machine.timers.expire()
        for task, wait in list(self._blocked.timed.items()):
            if wait.deadline is not None and now >= wait.deadline:
                wait.timed_out = True
                self._unblock(task)
        if self._blocked.polling and (now >= self._next_look or not self._machine.turns.several):
            self._machine.turns.take()
            self._next_look = now + WATCHED
            self._poll(0)

    def _next_deadline(self, *, asleep: bool = False) -> int | None:
        deadlines = [wait.deadline for wait in self._blocked.timed.values() if wait.deadline is not None]
        timer = self._machine.timers.next_expiry(asleep=asleep)
        if timer is not None:
            deadlines.append(timer)
        return min(deadlines, default=None)

    def _idle(self) -> None:
        """Nobody can run: sleep on the host until a descriptor, another process or the time wakes us."""
        self._machine.handler.on_idle()
        if self._machine.turns.several:
            self._idle_among_others()
            return
        deadline = self._next_deadline(asleep=True)
        clock = self._machine.clock
        if deadline is None:
            self._poll(None)
            return
        left = min(max(deadline - clock.monotonic(), 0), LONGEST_MS * 1_000_000)
        if not self._poll(left) and clock.virtual:
            clock.sleep(left)

    def _idle_among_others(self) -> None:
        """The same in a machine of several processes: one of them may wake us."""
        turns = self._machine.turns
        turns.take()
        self._poll(0)
        if self._can_run():
            return
        hosts = tuple({fd for wait in self._blocked.polling.values() for fd, _ in wait.fds})
        turns.sleep(self._next_deadline(asleep=True), channel_of(hosts), self._watch)
        self._next_look = 0

    def _watch(self, nanoseconds: int | None) -> bool:
        """Wait at most so long, None: for ever, or until somebody rings; whether anything has come."""
        family = self._machine.family
        poller, owners = self._interests()
        ready = {fd for fd, _ in _wait(poller, nanoseconds)}
        family.polled(ready)
        if family.is_rung():
            family.look()
        return not owners.keys().isdisjoint(ready) or self._can_run()

    def _can_run(self) -> bool:
        return any(not task.process.signals.stopped for task in self.ready)

    def _poll(self, nanoseconds: int | None) -> bool:
        """Wait at most so long, None: for ever; wakes whose descriptors are ready; whether anything was."""
        if nanoseconds == 0 and not self._blocked.polling:
            return False
        poller, owners = self._interests()
        ready = _wait(poller, nanoseconds)
        for fd, events in ready:
            for task, wanted in owners.get(fd, ()):
                if events & (wanted | _ALWAYS):
                    self.wake_task(task)
        self._machine.family.polled({fd for fd, _ in ready})
        return bool(ready)

    def _interests(self) -> tuple[select.poll, dict[int, list[tuple[Task, int]]]]:
        owners: dict[int, list[tuple[Task, int]]] = {}
        for task, wait in self._blocked.polling.items():
            for fd, events in wait.fds:
                owners.setdefault(fd, []).append((task, events))
        poller = select.poll()
        for fd in (*self._machine.family.descriptors(), *self._machine.watcher.descriptors()):
            poller.register(fd, select.POLLIN)
        for fd, interests in owners.items():
            mask = 0
            for _, events in interests:
                mask |= events
            poller.register(fd, mask)
        return poller, owners


def _wait(poller: select.poll, nanoseconds: int | None) -> list[tuple[int, int]]:
    """poll, with less than a millisecond slept exactly rather than rounded up."""
    if nanoseconds is None:
        return poller.poll()
    if 0 < nanoseconds < 1_000_000:
        ready = poller.poll(0)
        if not ready:
            time.sleep(nanoseconds / 1e9)
            ready = poller.poll(0)
        return ready
    return poller.poll(min(-(-nanoseconds // 1_000_000), LONGEST_MS))
