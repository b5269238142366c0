"""What was counted, as tables and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uprobe_core.consumer import Frame

__all__ = ("TableReport", "bars", "counts", "statistics", "total", "with_lost")

STACK = " <- "
"""Between a frame and its caller's."""
BAR = 40
"""Characters of the longest bar."""


class TableReport:
    """One section per event: a heading and the lines below it.

    :param title: what was done, such as "count by a"
    :param sections: (event, lines, JSON data)
    """

    def __init__(self, title: str, sections: Sequence[tuple[str, Sequence[str], Any]]) -> None:
        self.title = title
        self._sections = sections

    def as_text(self) -> str:
        """Lines for people."""
        out: list[str] = []
        for event, lines, _ in self._sections:
            out += [f"{event}: {self.title}", *(f"  {line}" for line in lines)]
        return "".join(f"{line}\n" for line in out)

    def as_json(self) -> Any:
        """Title and data by event."""
        return {"title": self.title, "events": {event: data for event, _, data in self._sections}}


def is_stack(key: Any) -> bool:
    """Whether *key* is a user stack."""
    return isinstance(key, tuple) and key != () and all(isinstance(frame, Frame) for frame in key)


def shown(key: Any) -> str:
    """A key as text: several parts with commas, strings quoted, what could not be read as (fault).

    A stack goes from the inside outwards.
    """
    if is_stack(key):
        return STACK.join(frame.name for frame in key)
    if isinstance(key, tuple):
        return ", ".join(map(shown, key))
    if key is None:
        return "(fault)"
    return f'"{key}"' if isinstance(key, str) else str(key)


def plain(key: Any) -> str:
    """A key as a JSON object's name."""
    if is_stack(key):
        return shown(key)
    return ", ".join(map(plain, key)) if isinstance(key, tuple) else str(key)


def total(number: int) -> tuple[list[str], Any]:
    """One number."""
    return [str(number)], number


def counts(table: Mapping[Any, int]) -> tuple[list[str], Any]:
    """Counts by key, in the order of *table*, with the sum below."""
    width = len(str(sum(table.values())))
    lines = [f"{number:>{width}}  {shown(key)}" for key, number in table.items()]
    lines.append(f"{sum(table.values()):>{width}}  total")
    return lines, {plain(key): number for key, number in table.items()}


def statistics(table: Mapping[Any, Mapping[str, float]]) -> tuple[list[str], Any]:
    """Count, sum, smallest, largest and mean by key; the key () has no name."""
    columns = ("count", "sum", "min", "max", "avg")
    rows = [[*(_number(stats[c]) for c in columns), shown(key)] for key, stats in table.items()]
    rows.insert(0, [*columns, ""])
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = [
        "  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
    return lines, {plain(key): dict(stats) for key, stats in table.items()}


def _number(value: float) -> str:
    """Whole numbers as they are, means with two places."""
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def bars(table: Mapping[Any, Mapping[int, int]], upper: Callable[[int], int]) -> tuple[list[str], Any]:
    """A histogram for each key: from *lower* to *upper* (both inclusive), a count and a bar."""
    lines: list[str] = []
    for key, buckets in table.items():
        if key != ():
            lines.append(f"{shown(key)}:")
        lines += _bars(buckets, upper)
    data = {plain(key): {str(low): number for low, number in b.items()} for key, b in table.items()}
    return lines, data.get("", {}) if set(table) <= {()} else data


def _bars(buckets: Mapping[int, int], upper: Callable[[int], int]) -> list[str]:
    """The lines of one histogram."""
    if not buckets:
        return ["nothing was seen"]
    most, sum_of_all = max(buckets.values()), sum(buckets.values())
    ranges = {low: str(low) if upper(low) == low else f"{low} .. {upper(low)}" for low in buckets}
    width, digits = max(map(len, ranges.values())), len(str(most))
    lines = [
        f"{ranges[low]:>{width}}  {number:>{digits}}  {'#' * max(1, number * BAR // most)}"
        for low, number in buckets.items()
    ]
    return [*lines, f"{'total':>{width}}  {sum_of_all}"]


def with_lost(lines: list[str], data: Any, lost: int, keys: int) -> tuple[list[str], Any]:
    """What was found, and how many hits are not in it since only so many *keys* are kept."""
    if not lost:
        return lines, data
    return [*lines, f"{lost} hits lost: there are more than {keys} keys (max_keys)"], {
        "found": data,
        "lost": lost,
    }
