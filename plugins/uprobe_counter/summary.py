"""``-C summary``: one table over all functions, as ``uftrace report`` shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from uprobe_core.actions import CallSummary, Summary
from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_core.terminal_text import cells, cut
from uprobe_core.value_text import short_time, time_text
from uprobe_counter.options import Options

__all__ = ("SummaryConsumer", "SummaryReport", "columns", "functions")

_SORTS = ("total", "own", "calls", "mean", "p99", "max", "name")
_NUMBERS = ("calls", "total", "own", "mean", "p99", "max")
_LEFT_OUT = ("mean", "p99", "max", "own", "calls", "total")
"""Columns that a narrow terminal has no room for, the first first."""
_ROOM, _ENOUGH = 48, 32
"""Columns of a name before times get shorter for it, and before other columns are left out for it."""
_INDENT = "  "


def columns(rows: Sequence[Sequence[str]], most: int = 0) -> list[str]:
    """Rows as lines; all columns but the last are aligned on the right.

    :param most: how long a line may be, for which the last column is cut; 0: as long as it is
    """
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    room = most - sum(widths) - 2 * len(widths)
    return [
        "  ".join(
            [
                *(cell.rjust(w) for cell, w in zip(row, widths, strict=False)),
                cut(row[-1], room) if most else row[-1],
            ]
        )
        for row in rows
    ]


class SummaryReport:
    """The table.

    :param rows: functions with what was found, in the order of the table
    :param top: how many of them are shown, 0: all
    :param lost: calls for whose latency there was no room
    :param sort: the column that is never left out
    """

    title = "summary"

    def __init__(
        self, rows: Sequence[tuple[EventInfo, CallSummary]], top: int, lost: int, sort: str = "total"
    ) -> None:
        self._rows, self._top, self._lost, self._sort = rows, top, lost, sort

    def as_text(self) -> str:
        """Lines for people."""
        return self.fitted(0)

    def fitted(self, columns: int) -> str:
        """The same for a terminal: shorter times, columns left out, names without their middle."""
        called = [row for row in self._rows if row[1].calls]
        shown = called[: self._top] if self._top else called
        room = max(columns - len(_INDENT), 1) if columns else 0
        lines = self._table(shown, room) if shown else ["no call returned"]
        if len(shown) < len(called):
            lines.append(functions(len(called) - len(shown), "more ", _noun(row[0] for row in self._rows)))
        if len(called) < len(self._rows):
            idle = functions(len(self._rows) - len(called), "", _noun(row[0] for row in self._rows))
            lines.append(f"{idle} without a call that returned")
        if self._lost:
            lines.append(f"{self._lost} calls lost (max_keys)")
        return "".join(f"{line}\n" for line in ["summary of calls", *(f"{_INDENT}{line}" for line in lines)])

    def _table(self, rows: Sequence[tuple[EventInfo, CallSummary]], room: int) -> list[str]:
        """Lines of at most *room* columns, 0: as long as they are."""
        names = [event.readable for event, _ in rows]
        longest = max(map(cells, names))
        for time, left_out in self._layouts():
            wanted = min(longest, _ROOM if time is time_text else min(_ENOUGH, room // 2))
            heads = [name for name in _NUMBERS if name not in left_out]
            numbers = [[_cell(found, head, time) for head in heads] for _, found in rows]
            taken = sum(2 + max(map(len, column)) for column in zip(heads, *numbers, strict=True))
            if not room or room - taken >= wanted:
                break
        table = [[*heads, "function"], *([*cells, name] for cells, name in zip(numbers, names, strict=True))]
        return columns(table, room) + ([f"no room for {', '.join(left_out)}"] if left_out else [])

    def _layouts(self) -> Iterator[tuple[Callable[[float], str], tuple[str, ...]]]:
        """How times are written and which columns are left out, from the widest table to the narrowest."""
        yield time_text, ()
        stays = self._sort if self._sort in _LEFT_OUT else "total"
        goes = [name for name in _LEFT_OUT if name != stays]
        yield from ((short_time, tuple(goes[:number])) for number in range(len(goes) + 1))

    def as_json(self) -> Any:
        """Title, and by event the numbers; times in nanoseconds."""
        return {
            "title": self.title,
            "events": {event.full_name: found._asdict() for event, found in self._rows},
        }


def functions(number: int, more: str = "", noun: str = "function") -> str:
    """How many functions, in words."""
    return f"{number} {more}{noun}{'' if number == 1 else 's'}"


def _noun(events: Iterable[EventInfo]) -> str:
    """What they are: those without a place are system calls."""
    placed = {bool(event.path) for event in events}
    return "event" if len(placed) > 1 else "function" if True in placed else "system call"


def _cell(found: CallSummary, column: str, time: Callable[[float], str]) -> str:
    return str(found.calls) if column == "calls" else time(getattr(found, column))


class SummaryConsumer:
    """``-C summary[:sort=COLUMN][,top=N][,when=EXPR][,max_keys=N]``: what the calls of functions cost.

    Calls, total and own time, mean, p99 and the longest call of each function.
    """

    name = "summary"
    reports_often = True
    reads_arguments = False
    allowed: ClassVar[Mapping[str, str]] = {
        "sort": f"by which column: {', '.join(_SORTS)}",
        "top": "how many functions to show",
        "when": "an expression that must hold, such as when=a > 3",
        "max_keys": "different times at most that are told apart for each function",
    }

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = Options(self.name, options, self.allowed)
        self._sort = self._options.one_of("sort", _SORTS, "total")
        self._top = self._options.number("top", 0, least=0)
        self._actions: dict[str, tuple[EventInfo, Summary]] = {}
        self._make()

    def _make(self) -> Summary:
        return Summary(when=self._options.text("when"), max_keys=self._options.number("max_keys", 1 << 12))

    def attach(self, event: EventInfo, context: ConsumerContext) -> Summary:
        """The summary of *event*."""
        return self._actions.setdefault(event.full_name, (event, self._make()))[1]

    def report(self) -> SummaryReport | None:
        """The table; None if there was no event."""
        if not self._actions:
            return None
        rows = [(event, action.result()) for event, action in self._actions.values()]
        lost = sum(action.lost for _, action in self._actions.values())
        rows.sort(key=lambda row: row[0].readable)
        if self._sort != "name":
            rows.sort(key=lambda row: getattr(row[1], self._sort), reverse=True)
        return SummaryReport(rows, self._top, lost, self._sort)
