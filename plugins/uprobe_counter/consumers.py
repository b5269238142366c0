"""The consumer plugins: options in, one action for each event, a report at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from uprobe_core.actions import MAX_KEYS, Action, Count, Hist, Latency, Stacks, Sum
from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_counter.keys import KeyText, argument_text, key_text
from uprobe_counter.options import Options
from uprobe_counter.report import (
    Section,
    TableReport,
    bars,
    counts,
    latencies,
    statistics,
    together,
    total,
    with_lost,
)

__all__ = ("CountConsumer", "HistConsumer", "LatencyConsumer", "StacksConsumer", "SumConsumer")

_BY = "fields to tell apart, such as by=a,comm"
_WHEN = "an expression that must hold, such as when=a > 3"
_MAX_KEYS = f"different keys at most, {MAX_KEYS} if not given; hits with others are counted as lost"


def is_system_call(event: EventInfo) -> bool:
    """Whether the hits of *event* are system calls."""
    return getattr(getattr(event, "spec", None), "kind", "") == "s"


class _ActionConsumer:
    """What the five have in common: one action for each event that they are attached to."""

    name: ClassVar[str]
    allowed: ClassVar[Mapping[str, str]]

    def __init__(self, options: Mapping[str, str]) -> None:
        self.options = Options(self.name, options, self.allowed)
        self.by = self.options.names("by")
        self.when = self.options.text("when")
        self.max_keys = self.options.number("max_keys", MAX_KEYS)
        self.context: ConsumerContext | None = None
        self._actions: list[tuple[EventInfo, Any]] = []
        self.make()  # so that a bad option is refused before there is an event

    def make(self) -> Action:
        """A new action with the options; raises UsageError for bad ones."""
        raise AssertionError("each consumer defines it")

    def describe(self, action: Any, text: KeyText) -> tuple[list[str], Any]:
        """What *action* found, as lines, with keys as *text* shows them, and as JSON data."""
        raise AssertionError("each consumer defines it")

    def title(self) -> str:
        """What was done, for the heading."""
        return self.name + (f" by {', '.join(self.by)}" if self.by else "")

    def attach(self, event: EventInfo, context: ConsumerContext) -> Action:
        """The action for *event*."""
        action = self.make()
        self.context = context
        self._actions.append((event, action))
        return action

    def report(self) -> TableReport | None:
        """A section for each event; None if there was no event."""
        sections = self.sections()
        return TableReport(self.title(), sections) if sections else None

    def sections(self) -> list[Section]:
        """What was found at each event, and how many hits are missing from it."""
        found: list[Section] = []
        for event, action in self._actions:
            lines, data = self.describe(action, key_text(event, self.by, self.name_of))
            lines, data = with_lost(lines, data, action.lost, action.max_keys)
            found.append(Section(event.full_name, lines, data, self.is_empty(action), event.readable))
        return found

    def is_empty(self, action: Any) -> bool:
        """Whether *action* saw nothing."""
        return not action.lost and not action.result()

    def name_of(self, address: int) -> str:
        """The name of a guest address, "" if it has none."""
        name = getattr(self.context, "name_of", None)  # a context of an earlier version has none
        return "" if name is None else str(name(address))


class CountConsumer(_ActionConsumer):
    """``-C count[:by=FIELDS][,when=EXPR][,max_keys=N]``: how many hits."""

    name = "count"
    reports_often = True
    reads_arguments = False
    allowed: ClassVar = {"by": _BY, "when": _WHEN, "max_keys": _MAX_KEYS}

    def __init__(self, options: Mapping[str, str]) -> None:
        self.errors: dict[int, int] = {}
        """Of system calls, by the id() of their action: how many failed."""
        super().__init__(options)

    def make(self) -> Count:
        """Count, by key if one is given."""
        return Count(self.by or None, when=self.when, max_keys=self.max_keys)

    def attach(self, event: EventInfo, context: ConsumerContext) -> Action:
        """The action for *event*; system calls are counted with their errors."""
        action = super().attach(event, context)
        if not self.by and is_system_call(event):
            action = Count("error", when=self.when, max_keys=self.max_keys)
            self._actions[-1] = (event, action)
        return action

    def describe(self, action: Count, text: KeyText) -> tuple[list[str], Any]:
        """A number, or a table by key."""
        result = action.result()
        if self.by and isinstance(result, dict):
            return counts(result, text)
        if isinstance(result, dict):
            self.errors[id(action)] = sum(number for error, number in result.items() if error)
            result = sum(result.values())
        return total(result)

    def report(self) -> TableReport | None:
        """One table where many events only count, a section for each event otherwise."""
        sections = self.sections()
        if self.by or len(sections) < 2:
            return super().report()
        errors = {e.full_name: self.errors.get(id(action), 0) for e, action in self._actions}
        return TableReport(self.title(), sections, together(sections, errors if self.errors else None))


class SumConsumer(_ActionConsumer):
    """``-C sum:arg=FIELD[,by=FIELDS][,when=EXPR][,max_keys=N]``: count, sum, smallest, largest, mean."""

    name = "sum"
    reports_often = True
    allowed: ClassVar = {"arg": "the field to sum", "by": _BY, "when": _WHEN, "max_keys": _MAX_KEYS}

    def make(self) -> Sum:
        """Sum the field."""
        return Sum(
            self.options.required("arg", "sum:arg=a"), self.by or None, when=self.when, max_keys=self.max_keys
        )

    def title(self) -> str:
        """With the field."""
        return super().title().replace("sum", f"sum of {self.options.text('arg')}", 1)

    def describe(self, action: Sum, text: KeyText) -> tuple[list[str], Any]:
        """A row for each key."""
        result = action.result()
        return statistics(result if self.by else {(): result}, text)

    def is_empty(self, action: Sum) -> bool:
        """Whether *action* saw nothing."""
        return not action.lost and not action.stats


class HistConsumer(_ActionConsumer):
    """``-C hist:arg=FIELD[,kind=log2|linear|sub][,step=N][,bits=N][,by=FIELDS][,when=EXPR][,max_keys=N]``."""

    name = "hist"
    reports_often = True
    allowed: ClassVar = {
        "arg": "the field to look at",
        "kind": "log2, linear or sub",
        "step": "width of a linear bucket",
        "bits": "each power of two in 2**bits parts, for sub",
        "by": _BY,
        "when": _WHEN,
        "max_keys": _MAX_KEYS,
    }

    def make(self) -> Hist:
        """The histogram of the field."""
        return Hist(
            self.options.required("arg", "hist:arg=a"),
            self.options.text("kind") or "log2",
            step=self.options.number("step", 1),
            bits=self.options.number("bits", 2),
            by=self.by or None,
            when=self.when,
            max_keys=self.max_keys,
        )

    def title(self) -> str:
        """With the field and the kind."""
        by = f" by {', '.join(self.by)}" if self.by else ""
        return f"{self.options.text('kind') or 'log2'} histogram of {self.options.text('arg')}{by}"

    def describe(self, action: Hist, text: KeyText) -> tuple[list[str], Any]:
        """Bars."""
        result = action.result()
        return bars(result if self.by else {(): result}, lambda low: _upper(action, low), text)


class LatencyConsumer(HistConsumer):
    """``-C latency[:by=FIELDS][,kind=log2][,when=EXPR][,max_keys=N][,top=N][,stack=N]``: how long calls took.

    A histogram of the time from entry to return, with quantiles below it, and the slowest calls.
    """

    name = "latency"
    reports_often = True
    reads_arguments = False
    allowed: ClassVar = {
        "kind": "log2, linear or sub",
        "by": _BY,
        "when": _WHEN,
        "max_keys": _MAX_KEYS,
        "top": "how many of the slowest calls to show, with their arguments",
        "stack": "frames of their stacks; 1: 32 of them",
    }

    def make(self) -> Latency:
        """The histogram of the time."""
        stack = self.options.number("stack", 0)
        return Latency(
            self.by or None,
            self.options.text("kind") or "log2",
            when=self.when,
            max_keys=self.max_keys,
            top=self.options.number("top", 0),
            stack=True if stack == 1 else stack,
        )

    def describe(self, action: Hist, text: KeyText) -> tuple[list[str], Any]:
        """Bars with quantiles below, by key, then the slowest calls."""
        assert isinstance(action, Latency)
        result, found = action.result(), action.quantiles()
        tables, quantiles = (result, found) if self.by else ({(): result}, {(): found})
        argument = argument_text(next(event for event, own in self._actions if own is action))
        return latencies(tables, quantiles, action.slowest(), lambda low: _upper(action, low), text, argument)

    def title(self) -> str:
        """With the unit."""
        by = f" by {', '.join(self.by)}" if self.by else ""
        return f"latency in ns{by}"


class StacksConsumer(_ActionConsumer):
    """``-C stacks[:depth=N][,when=EXPR][,max_keys=N]``: how often each stack was seen."""

    name = "stacks"
    reports_often = True
    reads_arguments = False
    allowed: ClassVar = {"depth": "frames at most, 32 if not given", "when": _WHEN, "max_keys": _MAX_KEYS}

    def make(self) -> Stacks:
        """Count stacks."""
        return Stacks(self.options.number("depth", 32), when=self.when, max_keys=self.max_keys)

    def describe(self, action: Stacks, text: KeyText) -> tuple[list[str], Any]:
        """Stacks by count, innermost frame first, one frame a line with its name."""
        lines: list[str] = []
        data: list[dict[str, Any]] = []
        for stack, number in action.result().items():
            names = [self.name_of(address) for address in stack]
            frames = zip(stack, names, strict=True)
            lines += [f"{number} times:", *(f"  {address:#x}  {name}".rstrip() for address, name in frames)]
            data.append({"count": number, "stack": list(stack), "names": names})
        return lines or ["nothing was seen"], data


def _upper(action: Hist, low: int) -> int:
    """The largest value that falls in the bucket that begins at *low*."""
    high, step = low, 1
    while action.bucket(high + step) == low:
        high += step
        step *= 2
    while step > 1:
        step //= 2
        if action.bucket(high + step) == low:
            high += step
    return high
