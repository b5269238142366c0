"""The little that tracing asks of the run that it is part of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.consumer import Hit

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.records.spool import Spool
    from uprobe_core.stacks.spaces import Space

__all__ = ("ActsAround", "TriggerContext")


class Spaces(Protocol):
    """What is mapped where."""

    def space(self, process: Process) -> Space:
        """The address space of *process*, for names."""
        ...


class TriggerContext(Protocol):
    """What a trigger asks of its run (a Session)."""

    @property
    def stacks(self) -> Spaces:
        """Names of what is mapped where."""
        ...

    @property
    def spool(self) -> Spool:
        """Where a forked child leaves what it found."""
        ...

    def emit(self, text: str) -> None:
        """Write one line to the run's output, after what was recorded before."""
        ...

    def takes_snapshots(self) -> None:
        """Have the output hold two buffers, as a kernel's; raises SpecError once it has begun."""
        ...


class ActsAround(Protocol):
    """What acts around each hit of an event (its EventTriggers)."""

    def around(self, hit: Hit, record: Callable[[], Any]) -> Any:
        """Act before and after *record*, which records the hit; returns its result, None if not called."""
        ...
