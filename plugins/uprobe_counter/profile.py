"""``-C profile``: where a program executes its instructions, by samples of its stack; no probe is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from uprobe_core.actions import MAX_KEYS, Stacks
from uprobe_core.consumer import ConsumerContext, EventInfo, Frame
from uprobe_core.errors import UsageError
from uprobe_counter.options import Options
from uprobe_counter.summary import columns, functions

__all__ = ("ProfileConsumer", "ProfileReport")

_EVERY = 10_000
_DEPTH = 128
_SORTS = ("self", "total", "name")


class _Row(NamedTuple):
    """A function: samples in it, samples in it and in what it called; each sample counts once."""

    name: str
    file: str
    self: int
    total: int


def _label(frame: Frame) -> str:
    """What a frame is called: its function, else the file that it is in."""
    if frame.function:
        return frame.function
    short = frame.file.rsplit("/", 1)[-1].strip("[]")
    return f"[{short}]" if short else f"{int(frame):#x}"


def _rows(stacks: Mapping[tuple[Frame, ...], int]) -> list[_Row]:
    own: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for stack, number in stacks.items():
        names = [(_label(frame), frame.file) for frame in stack]
        own[names[0]] += number
        for name in set(names):
            total[name] += number
    return [_Row(name, file, own[name, file], count) for (name, file), count in total.items()]


def _by_name(stacks: Mapping[tuple[Frame, ...], int]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for stack, number in stacks.items():
        counts[tuple(map(_label, stack))] += number
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"count": number, "names": list(names)} for names, number in ordered]


class ProfileReport:
    """The table.

    :param every: instructions from sample to sample
    :param top: rows that are shown, 0: all
    :param sort: by which column
    :param lost: samples for whose stack there was no room
    """

    title = "profile"

    def __init__(
        self, stacks: Mapping[tuple[Frame, ...], int], every: int, *, top: int, sort: str, lost: int
    ) -> None:
        self._stacks, self._every, self._top, self._lost = stacks, every, top, lost
        self._rows = sorted(_rows(stacks), key=lambda row: (row.name, row.file))
        if sort != "name":
            self._rows.sort(key=lambda row: (getattr(row, sort), row.total), reverse=True)

    def as_text(self) -> str:
        """Lines for people."""
        return self.fitted(0)

    def fitted(self, most: int) -> str:
        """The same for a terminal with so many columns: names without their middle."""
        samples = sum(self._stacks.values())
        head = f"profile: {samples} samples, one after each {self._every} instructions"
        shown = self._rows[: self._top] if self._top else self._rows
        table = [("self", "total", "samples", "function"), *(_cells(row, samples) for row in shown)]
        room = max(most - 2, 1) if most else 0
        lines = columns(table, room) if shown else ["no sample was taken: every=N says how often"]
        if len(shown) < len(self._rows):
            lines.append(f"{functions(len(self._rows) - len(shown), 'more ')} (top=0 shows all)")
        if self._lost:
            lines.append(f"{self._lost} samples lost (max_keys)")
        return "".join(f"{line}\n" for line in [head, *(f"  {line}" for line in lines)])

    def as_json(self) -> Any:
        """Title, distance, samples, functions, and stacks (innermost frame first) by event."""
        return {
            "title": self.title,
            "every": self._every,
            "samples": sum(self._stacks.values()),
            "functions": [row._asdict() for row in self._rows],
            "events": {"profile/sample": _by_name(self._stacks)},
        }


def _cells(row: _Row, samples: int) -> Sequence[str]:
    file = f"  [{row.file.rsplit('/', 1)[-1]}]" if row.file and not row.name.startswith("[") else ""
    return (
        f"{100 * row.self / samples:.2f}%",
        f"{100 * row.total / samples:.2f}%",
        str(row.self),
        row.name + file,
    )


class ProfileConsumer:
    """``-C profile[:every=N][,depth=N][,top=N][,sort=COLUMN][,max_keys=N]``: samples of stacks."""

    name = "profile"
    reports_often = True
    allowed: ClassVar[Mapping[str, str]] = {
        "every": f"instructions of a process from one sample to the next, {_EVERY} if not given",
        "depth": f"frames of a stack at most, {_DEPTH} if not given",
        "top": "how many functions to show, 30 if not given, 0: all",
        "sort": f"by which column: {', '.join(_SORTS)}",
        "max_keys": f"different stacks at most, {MAX_KEYS} if not given",
    }

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = Options(self.name, options, self.allowed)
        self._every = self._options.number("every", _EVERY, least=1)
        self._top = self._options.number("top", 30, least=0)
        self._sort = self._options.one_of("sort", _SORTS, "self")
        self.event_lines = (f"i:{self._every}",)
        """The events that it is for, which it brings along."""
        self._action: Stacks | None = None
        self._make()

    def _make(self) -> Stacks:
        depth, keys = self._options.number("depth", _DEPTH), self._options.number("max_keys", MAX_KEYS)
        return Stacks(depth, max_keys=keys)

    def attach(self, event: EventInfo, context: ConsumerContext) -> Stacks:
        """What counts the stacks of the samples."""
        if getattr(getattr(event, "spec", None), "kind", "") != "i":
            raise UsageError(
                f"profile is for samples, and {event.group}/{event.name} is none",
                hint="-C stacks counts the stacks of other events",
            )
        self._action = self._make()
        return self._action

    def report(self) -> ProfileReport | None:
        """The table; None if it was for nothing."""
        if self._action is None:
            return None
        action = self._action
        return ProfileReport(action.result(), self._every, top=self._top, sort=self._sort, lost=action.lost)
