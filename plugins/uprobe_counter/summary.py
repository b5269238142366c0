"""``-C summary``: one table over all functions, as ``uftrace report`` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from uprobe_core.actions import CallSummary, Summary
from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_core.errors import UsageError
from uprobe_core.value_text import time_text
from uprobe_counter.options import Options

__all__ = ("SummaryConsumer", "SummaryReport", "columns", "functions")

_SORTS = ("total", "own", "calls", "mean", "p99", "max", "name")
_HEAD = ("calls", "total", "own", "mean", "p99", "max", "function")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines; all columns but the last are aligned on the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


class SummaryReport:
    """The table.

    :param rows: functions with what was found, in the order of the table
    :param top: how many of them are shown, 0: all
    :param lost: calls for whose latency there was no room
    """

    title = "summary"

    def __init__(self, rows: Sequence[tuple[str, CallSummary]], top: int, lost: int) -> None:
        self._rows, self._top, self._lost = rows, top, lost

    def as_text(self) -> str:
        """Lines for people."""
        called = [row for row in self._rows if row[1].calls]
        shown = called[: self._top] if self._top else called
        table = [_HEAD, *(_cells(name, found) for name, found in shown)]
        lines = columns(table) if shown else ["no call returned"]
        if len(shown) < len(called):
            lines.append(functions(len(called) - len(shown), "more "))
        if len(called) < len(self._rows):
            lines.append(f"{functions(len(self._rows) - len(called))} without a call that returned")
        if self._lost:
            lines.append(f"{self._lost} calls lost (max_keys)")
        return "".join(f"{line}\n" for line in ["summary of calls", *(f"  {line}" for line in lines)])

    def as_json(self) -> Any:
        """Title, and by event the numbers; times in nanoseconds."""
        return {"title": self.title, "events": {name: found._asdict() for name, found in self._rows}}


def functions(number: int, more: str = "") -> str:
    """How many functions, in words."""
    return f"{number} {more}function{'' if number == 1 else 's'}"


def _cells(name: str, found: CallSummary) -> tuple[str, ...]:
    times = (found.total, found.own, found.mean, found.p99, found.max)
    return (str(found.calls), *map(time_text, times), name)


class SummaryConsumer:
    """``-C summary[:sort=COLUMN][,top=N][,when=EXPR][,max_keys=N]``: what the calls of functions cost.

    Calls, total and own time, mean, p99 and the longest call of each function.
    """

    name = "summary"
    reports_often = True
    allowed: ClassVar[Mapping[str, str]] = {
        "sort": f"by which column: {', '.join(_SORTS)}",
        "top": "how many functions to show",
        "when": "an expression that must hold, such as when=a > 3",
        "max_keys": "different times at most that are told apart for each function",
    }

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = Options(self.name, options, self.allowed)
        self._sort = self._options.text("sort") or "total"
        self._top = self._options.number("top", 0)
        if self._sort not in _SORTS or self._top < 0:
            raise UsageError(
                f"summary cannot be sorted by {self._sort!r} with top {self._top}",
                hint=f"sort is one of {', '.join(_SORTS)}, top at least 0",
                slug="bad-option",
            )
        self._actions: dict[str, Summary] = {}
        self._make()

    def _make(self) -> Summary:
        return Summary(when=self._options.text("when"), max_keys=self._options.number("max_keys", 1 << 12))

    def attach(self, event: EventInfo, context: ConsumerContext) -> Summary:
        """The summary of *event*."""
        return self._actions.setdefault(f"{event.group}/{event.name}", self._make())

    def report(self) -> SummaryReport | None:
        """The table; None if there was no event."""
        if not self._actions:
            return None
        rows = [(name, action.result()) for name, action in self._actions.items()]
        lost = sum(action.lost for action in self._actions.values())
        rows.sort(key=lambda row: row[0])
        if self._sort != "name":
            rows.sort(key=lambda row: getattr(row[1], self._sort), reverse=True)
        return SummaryReport(rows, self._top, lost)
