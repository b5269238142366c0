"""Threads that a CPU lets take turns by itself: what it has to know for that, and what became of them.

The scheduler, the runner and the futex calls are the reference. The CPU gets a copy of who is
ready, who waits at which futex and when the slice ends; it leaves to Python whatever thread
is not plain, and what it did is taken over before anybody looks.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from uprobe_core.system_call_numbers import NUMBERS
from uprobe_linux.calls import Wait
from uprobe_linux.scheduling.futex import Waiter
from uprobe_linux.signals.delivery import has_pending
from uprobe_linux.signals.table import PendingSignals
from uprobe_linux.syscalls import table

if TYPE_CHECKING:
    from uprobe_linux.cpu import OwnCalls
    from uprobe_linux.kernel import Task
    from uprobe_linux.processes.world import World

__all__ = ("OwnThreads",)

MOST = 64
"""Threads that the CPU knows of; with more all take turns here."""
_FUTEX = NUMBERS["futex"]
_OTHERS = -1


class OwnThreads:
    """Keeps the threads of *calls*, the CPU's object, up to date."""

    def __init__(self, machine: World, calls: OwnCalls) -> None:
        self._machine = machine
        self._calls = calls
        self._tasks: list[Task] = []
        """Those that the CPU knows, by its numbers."""
        self._seen = (-1, -1, -1)
        """Versions of the run queue, of the futex queues and of the pending signals that it knows."""

    @property
    def moved(self) -> bool:
        """Whether there is something to take over."""
        return bool(self._calls.moved)

    # --- before a run ----------------------------------------------------------------------------

    def before(self, task: Task, grace: int) -> None:
        """*task* is about to run, and its slice may be prolonged *grace* times."""
        calls, scheduler = self._calls, self._machine.scheduler
        seen = (
            self._versions() if len(task.process.tasks) > 1 else (0, self._machine.family.futexes.version, 0)
        )
        if seen != self._seen:
            self._seen = seen
            self._show(task)
        calls.grace = grace
        calls.take_turns = bool(self._tasks) and not scheduler.attention
        if self._tasks:
            calls.slice_end, calls.next_event = scheduler.slice_end, scheduler.next_event
            calls.chance = scheduler.chance.state

    def _versions(self) -> tuple[int, int, int]:
        machine = self._machine
        return machine.scheduler.version, machine.family.futexes.version, PendingSignals.changes

    def _show(self, task: Task) -> None:
        waiters = self._machine.family.futexes.private()
        ready, sleepers = self._who(task, waiters)
        self._tasks = [*ready, *sleepers]
        numbers = {each: number for number, each in enumerate(self._tasks)}
        rows = [self._row(each, each is task or self._may_run(each), waits=False) for each in ready]
        rows += [self._row(each, self._may_step_in(each), waits=True) for each in sleepers]
        if numbers:
            known = tuple((each.key.offset, each.bitset, self._number(each, numbers)) for each in waiters)
        else:
            known = tuple((each.key.offset, each.bitset, _OTHERS) for each in waiters)
        self._calls.set_threads(tuple(rows), tuple(range(len(ready))), known)

    def _number(self, waiter: Waiter, numbers: dict[Task, int]) -> int:
        """Of the thread that *waiter* is about."""
        sleeper = self._machine.scheduler.sleeper(waiter)
        return _OTHERS if sleeper is None else numbers.get(sleeper, _OTHERS)

    def _who(self, task: Task, waiters: list[Waiter]) -> tuple[list[Task], list[Task]]:
        """The ready threads, *task* first, and the *waiters* that the CPU may wake; none: all is ours."""
        scheduler, process = self._machine.scheduler, task.process
        ready = list(scheduler.ready)
        if len(process.tasks) < 2 or self._machine.turns.several or scheduler.polls:
            return [], []
        if ready[:1] != [task] or any(each.process is not process for each in ready):
            return [], []
        sleepers: list[Task] = []
        for each in map(scheduler.sleeper, waiters):
            if each is not None and self._may_wake(each, task):
                sleepers.append(each)
            if len(ready) + len(sleepers) > MOST:  # of thousands no more are looked at
                return [], []
        return ready, sleepers

    @staticmethod
    def _may_wake(sleeper: Task, task: Task) -> bool:
        wait = sleeper.wait
        return (
            sleeper.process is task.process
            and wait is not None
            and isinstance(wait.data, Waiter)
            and wait.deadline is None
            and not has_pending(sleeper)
        )

    @staticmethod
    def _may_step_in(task: Task) -> bool:
        """Whether nothing is to be done here before *task* runs, once it is in no call."""
        waits_for_us = task.signals.saved_mask is not None or has_pending(task)
        return not task.stepping and task.skip_hook < 0 and not waits_for_us

    def _may_run(self, task: Task) -> bool:
        return task.pending is None and self._may_step_in(task)

    def _row(self, task: Task, plain: bool, *, waits: bool) -> tuple[Any, ...]:
        """What the CPU has to know of a thread: ``set_threads``."""
        signals, (context, engine) = task.signals, self._machine.cpu.own_task(task)
        pending = signals.pending.mask | task.process.signals.pending.mask
        return (
            *(context, engine or 0, task.tid, signals.blocked, pending),
            *(task.elsewhere, task.stopped, plain and engine is not None, waits),
        )

    # --- after it, or in its middle ------------------------------------------------------------------

    def take_over(self) -> None:
        """What the CPU did is done here, too: another thread may be the current one."""
        calls, scheduler, tasks = self._calls, self._machine.scheduler, self._tasks
        number, ready, threads, waiters = calls.take_threads()
        current, begun = tasks[number], {}
        for task, (waits, began, blocked, elsewhere, stopped, arguments) in zip(tasks, threads, strict=True):
            task.signals.blocked = calls.blocked if task is current else blocked
            task.elsewhere, task.stopped = elsewhere, stopped
            if began or not waits:
                self._woken(task)
            if waits and began:
                begun[task] = arguments
        for _, bitset, thread in waiters:
            task = tasks[thread]
            if thread != _OTHERS and task in begun:
                self._sleeps(task, begun[task], bitset)
        scheduler.ready = deque(tasks[each] for each in ready)
        scheduler.slice_end, scheduler.chance.state = calls.slice_end, calls.chance
        self._machine.switched(current)
        self._seen = self._versions()

    def _woken(self, task: Task) -> None:
        """If it was asleep, its call has been answered."""
        wait = self._machine.scheduler.woke(task)
        if wait is not None:
            self._machine.scheduler.abandon(wait)
            task.wait = task.pending = None

    def _sleeps(self, task: Task, arguments: tuple[int, ...], bitset: int) -> None:
        """As syscalls.futexes does it."""
        family = self._machine.family
        waiter = family.futexes.add(family.futex_key(task, arguments[0]), task.tid, bitset)
        task.wait = Wait(data=waiter)
        entry = table.Table().get(_FUTEX)
        assert entry is not None
        task.pending = (entry, arguments)
        task.syscall_number = _FUTEX
        self._machine.scheduler.sleeps(task, task.wait)
