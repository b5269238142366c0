"""What the core keeps of a task beside what an architecture sees of it: the step's site, pending returns.

A :class:`TaskState` is created at a task's first hit and freed at exec and exit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from uprobe_core.probes.sites import Link, Site, Uprobe
from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("PendingReturn", "TaskState")


@dataclass(eq=False, slots=True)
class PendingReturn(ReturnInstance):
    """A pending return with who wants it.

    :param uprobe: the probed function's uprobe
    :param sessions: the consumers to call, each with the cookie its entry handler left
    :param entered: when, in nanoseconds on the run's clock
    :param jumps: the task's when it began
    :param again: calls before it in its frame, as far as they are together
    :param inside: nanoseconds in calls that it made, and that have returned
    :param caller: the call that it was made in, None if no such call was followed
    :ivar told: by who counts, the nanoseconds that he has counted at returns of the same function in it;
        a copy has none, since a forked task counts for itself
    """

    uprobe: Uprobe
    sessions: list[tuple[Link, Any]]
    entered: int = 0
    inside: int = 0
    jumps: int = 0
    again: int = 0
    caller: PendingReturn | None = None
    told: dict[object, int] = field(default_factory=dict, init=False)


@dataclass(eq=False, slots=True)
class TaskState(Utask):
    """The probe state of one task.

    :param active: the site being stepped or waiting for a slot, None while RUNNING
    :param returns: pending returns, newest last
    :param suspects: pending returns whose frames look abandoned; a stack that is switched
        back to revives them (only where returns are watched)
    :param jumps: longjmps so far, and one; 0: they are not seen in its process
    :param now: when its last hit was, in nanoseconds on the run's clock: one time for all that is told of it
    :param raised: SP where an exception was raised that has not landed; 0: there is none
    """

    active: Site | None = None
    returns: list[PendingReturn] = field(default_factory=list)
    suspects: list[PendingReturn] = field(default_factory=list)
    jumps: int = 0
    now: int = 0
    raised: int = 0
