"""Calls added up by the calls that they were in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from uprobe_core.actions.base import MAX_KEYS, Action, Getter
from uprobe_core.call_names import CallNames
from uprobe_core.consumer import EventInfo
from uprobe_core.event_model import EventSpec

__all__ = ("CallGraph", "Path")

Path = tuple[str, ...]
"""Functions, or their events, the outermost first."""


class CallGraph(Action):
    """How many calls returned and how long they took, by the path of calls that they ended.

    One for all events, which are the steps of the paths.
    """

    name = "graph"
    at_return = True

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        super().__init__(max_keys=max_keys)
        self.paths: dict[Path, list[int]] = {}
        """Calls and nanoseconds."""
        self._names: set[str] = set()
        """Events that it is bound to."""
        self._shown = CallNames()

    def reads(self, event: EventInfo) -> bool:
        """It looks at no argument."""
        return False

    def bind(self, event: EventInfo) -> Getter:
        """Measure (path, latency)."""
        full_name = f"{event.group}/{event.name}"
        self._names.add(full_name)
        spec = getattr(event, "spec", None)
        if isinstance(spec, EventSpec):
            self._shown.add(spec)
        return partial(self._measure, full_name)

    def _measure(self, event: str, hit: Any) -> tuple[Path | None, int]:
        return self.path(event, hit.around()), hit.latency_ns

    def path(self, event: str, calls: Sequence[Sequence[str]]) -> Path | None:
        """The path of a call, as events.

        :param event: which sees it return
        :param calls: the events of each call that it was in, and of itself, outermost first
        :returns: None if it is not known, () if another event of the graph counts it
        """
        steps = [next((name for name in events if name in self._names), None) for events in calls]
        if not steps or steps[-1] != event:
            return () if steps else None
        return tuple(step for step in steps if step is not None)

    def apply(self, measurement: tuple[Path | None, int]) -> None:
        """Add one call."""
        path, time = measurement
        self.add(path, 1, time)

    def add(self, path: Path | None, calls: int, time: int) -> None:
        """Add *calls* of one path that took *time* ns together; None: there was no room for it."""
        if path is None:
            self.lost += calls
        if not path or (path not in self.paths and not self.has_room(len(self.paths), calls)):
            return
        entry = self.paths.setdefault(path, [0, 0])
        entry[0] += calls
        entry[1] += time

    def functions(self) -> Sequence[str]:
        """What its events are called in paths."""
        return list(self._shown.by_event().values())

    def result(self) -> dict[Path, tuple[int, int]]:
        """By path of functions: calls that returned, and nanoseconds in them."""
        self.sync()
        names = self._shown.by_event()
        return {
            tuple(names.get(step) or step.rpartition("/")[2] for step in path): (calls, time)
            for path, (calls, time) in self.paths.items()
        }
