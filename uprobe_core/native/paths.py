"""The paths of calls that a native engine numbers, and what the numbers stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.call_graph import CallGraph

if TYPE_CHECKING:
    from uprobe_core.actions.call_graph import Path
    from uprobe_core.probes.registry import Uprobe
    from uprobe_core.tracing.event import Event

__all__ = ("NativePaths",)

Step = tuple[str, ...]
"""Full names of the events at one function."""


class NativePaths:
    """Each place has a number, the same in every process; a path is a number for the places of its calls."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._places: dict[Uprobe, int] = {}
        self._steps: list[Step] = [()]
        """By number of the place; 0 is none."""
        self._known: dict[int, tuple[Step, ...]] = {}

    def follow(self, event: Event) -> None:
        """Have the engine follow paths if a sink of *event* asks for them."""
        for sink in event.sinks:
            graph = getattr(sink, "action", None)
            if isinstance(graph, CallGraph):
                self._engine.follow_paths(graph.max_keys)

    def place(self, uprobe: Uprobe, events: Sequence[Event]) -> int:
        """The number of a place where *events* are."""
        number = self._places.setdefault(uprobe, len(self._steps))
        step = tuple(event.full_name for event in events)
        if number == len(self._steps):
            self._steps.append(step)
        elif self._steps[number] != step:
            self._steps[number] = step
            self._known.clear()
        return number

    def now(self) -> tuple[Step, ...]:
        """The path of the call that returns, outermost first; () if it has none."""
        return self._path(self._engine.returning)

    def _path(self, number: int) -> tuple[Step, ...]:
        found = self._known.get(number)
        if found is None:
            places = self._engine.path(number)
            found = self._known[number] = tuple(self._steps[place] for place in reversed(places))
        return found

    def found(
        self, graph: CallGraph, event: Event, entries: list[tuple[int, int, int, Any]]
    ) -> list[tuple[int, Path | None, int, Any]]:
        """What an action of *event* found, by paths of *graph* in place of their numbers."""
        return [
            (order, graph.path(event.full_name, self._path(number)), calls, time)
            for order, number, calls, time in entries
        ]
