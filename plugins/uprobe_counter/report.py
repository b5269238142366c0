"""What was counted, as tables and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uprobe_core.actions import SlowCall
from uprobe_core.call_pairs import is_for_people
from uprobe_counter.keys import ArgumentText, KeyText, is_stack, shown
from uprobe_counter.summary import columns

__all__ = (
    "Section",
    "TableReport",
    "bars",
    "counts",
    "latencies",
    "statistics",
    "together",
    "total",
    "with_lost",
)

BAR = 40
"""Characters of the longest bar."""


@dataclass(frozen=True, slots=True)
class Section:
    """What was found at one event.

    :param event: its name
    :param lines: for people
    :param data: plain data for JSON
    :param is_empty: no hit was seen
    :param readable: what people call the event
    """

    event: str
    lines: Sequence[str]
    data: Any
    is_empty: bool
    readable: str


class TableReport:
    """One section per event: a heading and the lines below it; events without a hit are only counted.

    :param title: what was done, such as "count by a"
    :param table: rows below one heading for all events, instead of sections
    """

    def __init__(self, title: str, sections: Sequence[Section], table: Sequence[Sequence[str]] = ()) -> None:
        self.title = title
        self._sections = sections
        self._table = table

    def as_text(self) -> str:
        """Lines for people."""
        return self.fitted(0)

    def fitted(self, most: int) -> str:
        """The same for a terminal with so many columns: names in the table of all events are cut."""
        parts = self._sections if len(self._sections) == 1 else [s for s in self._sections if not s.is_empty]
        empty = len(self._sections) - len(parts)
        out: list[str] = []
        if self._table:
            rows = columns(self._table, max(most - 2, 1) if most else 0)
            out += [self.title, *(f"  {line}".rstrip() for line in rows)]
        else:
            for part in parts:
                out += [f"{part.readable}: {self.title}", *(f"  {line}" for line in part.lines)]
            out += [self.title] if empty and not parts else []
        if empty:
            out.append(f"  {empty} event{'' if empty == 1 else 's'} without a hit")
        return "".join(f"{line}\n" for line in out)

    def as_json(self) -> Any:
        """Title and data by event, those without a hit included."""
        return {"title": self.title, "events": {part.event: part.data for part in self._sections}}


def together(sections: Sequence[Section], errors: Mapping[str, int] | None = None) -> list[list[str]]:
    """The rows of one table of the counts of many events, the largest first, without those without a hit.

    :param errors: of system calls how many failed, a column of its own
    """
    hit = sorted((part for part in sections if not part.is_empty), key=lambda part: part.readable)
    rows = [(part.readable, int(part.data), (errors or {}).get(part.event, 0)) for part in hit]
    rows.sort(key=lambda row: -row[1])
    rows.append(("total", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    if errors is None:
        return [[str(number), name] for name, number, _ in rows]
    return [
        ["calls", "errors", ""],
        *([str(number), str(failed or ""), name] for name, number, failed in rows),
    ]


def plain(key: Any) -> str:
    """A key as a JSON object's name; what could not be read is "null"."""
    if is_stack(key):
        return shown(key)
    if isinstance(key, tuple):
        return ", ".join(map(plain, key))
    return "null" if key is None else str(key)


def total(number: int) -> tuple[list[str], Any]:
    """One number."""
    return [str(number)], number


def counts(table: Mapping[Any, int], text: KeyText = shown) -> tuple[list[str], Any]:
    """Counts by key, in the order of *table*, with the sum below."""
    width = len(str(sum(table.values())))
    lines = [f"{number:>{width}}  {text(key)}" for key, number in table.items()]
    lines.append(f"{sum(table.values()):>{width}}  total")
    return lines, {plain(key): number for key, number in table.items()}


def statistics(table: Mapping[Any, Mapping[str, float]], text: KeyText = shown) -> tuple[list[str], Any]:
    """Count, sum, smallest, largest and mean by key; the key () has no name."""
    columns = ("count", "sum", "min", "max", "avg")
    rows = [
        [*(_number(stats[c]) for c in columns), text(key) if key != () else ""]
        for key, stats in table.items()
    ]
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


def bars(
    table: Mapping[Any, Mapping[int, int]], upper: Callable[[int], int], text: KeyText = shown
) -> tuple[list[str], Any]:
    """A histogram for each key: from *lower* to *upper* (both inclusive), a count and a bar."""
    lines: list[str] = []
    for key, buckets in table.items():
        if key != ():
            lines.append(f"{text(key)}:")
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


def latencies(
    tables: Mapping[Any, Mapping[int, int]],
    quantiles: Mapping[Any, Mapping[str, int]],
    slowest: Sequence[SlowCall],
    upper: Callable[[int], int],
    text: KeyText,
    argument: ArgumentText,
) -> tuple[list[str], Any]:
    """For each key a histogram and its quantiles; then the slowest calls of all keys."""
    lines: list[str] = []
    data: dict[str, Any] = {}
    for key, buckets in tables.items():
        part, found = bars({key: buckets}, upper, text)
        words = "  ".join(f"{name} {value}" for name, value in quantiles[key].items() if name != "count")
        lines += [*part, *([words] if buckets else [])]
        histogram = found if key == () else found[plain(key)]
        data[plain(key)] = {"histogram": histogram, **quantiles[key]}
    whole = data.get("", {}) if set(tables) <= {()} else {"keys": data}
    if slowest:
        lines += ["slowest:", *(line for call in slowest for line in _slow_call(call, argument))]
        whole = {**whole, "slowest": [_slow_data(call) for call in slowest]}
    return lines, whole


def _slow_call(call: SlowCall, argument: ArgumentText) -> list[str]:
    given = _for_people(call.args)
    shown_args = " ".join(f"{name}={argument(name, value)}" for name, value in given.items())
    head = f"  {call.latency}  {call.comm}-{call.tid}  {shown_args}".rstrip()
    return [head, *(f"      {int(frame):#x}  {frame.name}".rstrip() for frame in call.stack)]


def _slow_data(call: SlowCall) -> dict[str, Any]:
    stack = [{"address": int(frame), "name": frame.name} for frame in call.stack]
    return {**call._asdict(), "args": _for_people(call.args), "stack": stack}


def _for_people(args: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a tree asks for beside."""
    return {name: value for name, value in args.items() if is_for_people(name)}


def with_lost(lines: list[str], data: Any, lost: int, keys: int) -> tuple[list[str], Any]:
    """What was found, and how many hits are not in it since only so many *keys* are kept."""
    if not lost:
        return lines, data
    return [*lines, f"{lost} hits lost: there are more than {keys} keys (max_keys)"], {
        "found": data,
        "lost": lost,
    }
