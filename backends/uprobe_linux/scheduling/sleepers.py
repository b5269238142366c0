"""The threads of a host process that sleep, by what each waits for.

Nothing that happens often looks at all of them: a program may have thousands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from uprobe_linux.scheduling.futex import Waiter

if TYPE_CHECKING:
    from uprobe_linux.calls import Wait
    from uprobe_linux.kernel import Task

__all__ = ("Sleepers",)


class Sleepers:
    """Who sleeps, in the order in which they fell asleep.

    :ivar timed: those with a deadline
    :ivar polling: those that wait for descriptors
    """

    def __init__(self) -> None:
        self._waits: dict[Task, Wait] = {}
        self.timed: dict[Task, Wait] = {}
        self.polling: dict[Task, Wait] = {}
        self._keyed: dict[Any, dict[Task, Wait]] = {}
        self._queued: dict[Waiter, Task] = {}
        """Who waits as a futex's waiter."""
        self._shared: dict[Task, Wait] = {}
        """Those of them that other host processes may wake."""

    def __len__(self) -> int:
        return len(self._waits)

    def __contains__(self, task: Task) -> bool:
        return task in self._waits

    def get(self, task: Task) -> Wait | None:
        """What *task* waits for, None if it is awake."""
        return self._waits.get(task)

    def add(self, task: Task, wait: Wait) -> None:
        """*task* sleeps, or sleeps on for another reason."""
        self.pop(task)
        self._waits[task] = wait
        if wait.deadline is not None:
            self.timed[task] = wait
        if wait.fds:
            self.polling[task] = wait
        if wait.key is not None:
            self._keyed.setdefault(wait.key, {})[task] = wait
        for waiter in waiters(wait):
            self._queued[waiter] = task
            if waiter.key.shared:
                self._shared[task] = wait

    def pop(self, task: Task) -> Wait | None:
        """*task* does not sleep any more; what it waited for, None if it was awake."""
        wait = self._waits.pop(task, None)
        if wait is None:
            return None
        for index in (self.timed, self.polling, self._shared):
            index.pop(task, None)
        if wait.key is not None:
            same = self._keyed[wait.key]
            del same[task]
            if not same:
                del self._keyed[wait.key]
        for waiter in waiters(wait):
            self._queued.pop(waiter, None)
        return wait

    def waiting_as(self, waiter: Waiter) -> Task | None:
        """Who sleeps as *waiter*."""
        return self._queued.get(waiter)

    def clear(self) -> None:
        """All are gone."""
        for task in list(self._waits):
            self.pop(task)

    def at(self, key: Any) -> list[Task]:
        """Who waits for *key* and was not woken, in the order in which they came."""
        return [task for task, wait in self._keyed.get(key, {}).items() if not wait.woken]

    def woken(self, here: Iterable[Waiter]) -> list[Task]:
        """Whose futex was woken: those of the waiters *here*, and whoever another host process has woken."""
        found = {self._queued[waiter]: None for waiter in here if waiter in self._queued}
        for task, wait in self._shared.items():
            if any(waiter.woken for waiter in waiters(wait)):
                found[task] = None
        return list(found)


def waiters(wait: Wait) -> list[Waiter]:
    """The places in futex queues that *wait* holds."""
    held = wait.data if isinstance(wait.data, list) else [wait.data]
    return [each for each in held if isinstance(each, Waiter)]
