"""What two runs do not have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from uprobe_core.comparing.recorded_run import RecordedRun, Task

__all__ = ("CONTEXT", "CountChange", "Parting", "count_changes", "partings")

CONTEXT = 3
"""Hits that are shown before and after the first difference."""


@dataclass(frozen=True)
class CountChange:
    """Something that was counted differently."""

    name: str
    first: float
    second: float

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"name": self.name, "first": self.first, "second": self.second}


@dataclass(frozen=True)
class Parting:
    """Where the traces of a task part.

    :param index: hits before it, which are equal
    :param before: the last of them
    :param first: what follows in the first run, nothing where it ends; *second* likewise
    """

    task: Task
    index: int
    before: Sequence[str]
    first: Sequence[str]
    second: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        number, comm = self.task
        sides = {"before": list(self.before), "first": list(self.first), "second": list(self.second)}
        return {"task": number, "comm": comm, "index": self.index, **sides}

    def lines(self) -> Iterator[str]:
        """A diff: what both have, then - the first and + the second."""
        number, comm = self.task
        yield f"task {number} ({comm}) parts at its hit {self.index + 1}:"
        yield from (f"    {hit}" for hit in self.before)
        yield from (f"  - {hit}" for hit in self.first or ["(no further hit)"])
        yield from (f"  + {hit}" for hit in self.second or ["(no further hit)"])


def count_changes(first: RecordedRun, second: RecordedRun) -> list[CountChange]:
    """What was counted differently, the largest difference first."""
    names = dict.fromkeys([*first.counts, *second.counts])
    changed = [
        CountChange(name, before, after)
        for name in names
        if (before := first.counts.get(name, 0)) != (after := second.counts.get(name, 0))
    ]
    return sorted(changed, key=lambda each: -abs(each.second - each.first))


def partings(first: RecordedRun, second: RecordedRun) -> list[Parting]:
    """For each task the first point where its traces differ; nothing where a run has only counts."""
    if first.traces is None or second.traces is None:
        return []
    tasks = dict.fromkeys([*first.traces, *second.traces])
    found = (_parting(task, first.traces.get(task, []), second.traces.get(task, [])) for task in tasks)
    return [parting for parting in found if parting is not None]


def _parting(task: Task, first: Sequence[str], second: Sequence[str]) -> Parting | None:
    if first == second:
        return None
    shorter = min(len(first), len(second))
    index = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    end = index + CONTEXT
    return Parting(task, index, first[max(index - CONTEXT, 0) : index], first[index:end], second[index:end])
