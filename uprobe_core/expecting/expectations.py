"""The expectations of one run: read before it, measured in it, judged after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from uprobe_core.actions import Action
from uprobe_core.errors import UsageError, noted
from uprobe_core.expecting.expression import Quantity, parse_expectation
from uprobe_core.expecting.outcome import Lookup, Outcome, judge
from uprobe_core.expecting.quantities import COUNTED, Unknown, consumer_number, counted, measurement_of
from uprobe_core.run_setup import RunSetup

__all__ = ("Expectations", "read_baseline")


class _Event(Protocol):
    """What is asked of an event."""

    @property
    def full_name(self) -> str:
        """GROUP/NAME."""


class Expectations:
    """What one run is expected to find.

    :param texts: as the user wrote them
    :param require_hits: whether every event is expected to be hit
    :param baseline: the path of a report, None without

    Raises UsageError for a text that is none, and for a baseline that cannot be read.
    """

    def __init__(
        self, texts: Sequence[str], *, require_hits: bool = False, baseline: str | None = None
    ) -> None:
        self._expected = [parse_expectation(text) for text in texts]
        self._require_hits = require_hits
        self._baseline = None if baseline is None else read_baseline(baseline)
        self._events: dict[str, list[str]] = {}
        """Full names of the events that a name means."""
        self._measured: dict[Quantity, Callable[[], float]] = {}
        for each in self._expected:
            if each.compares_with_baseline and self._baseline is None:
                raise UsageError(
                    f"expectation {each.text!r} has no baseline",
                    hint="--baseline FILE names a report that --report wrote",
                    slug="bad-expectation",
                )

    @classmethod
    def of(cls, setup: RunSetup) -> Expectations:
        """Those of a set-up; raises as the class does."""
        return cls(setup.expect, require_hits=setup.require_hits, baseline=setup.baseline)

    def measure(
        self,
        events: Collection[Any],
        consumers: Iterable[str],
        attach: Callable[[Any, Action], None],
    ) -> None:
        """Have measured what they speak of; raises UsageError for what no event or consumer of the run is.

        :param events: all events of the run
        :param consumers: the names of its consumers
        :param attach: attaches an action to an event
        """
        known = set(consumers)
        for quantity in dict.fromkeys(q for each in self._expected for q in each.quantities):
            found = [e for e in events if quantity.owner in (e.full_name, e.full_name.partition("/")[2])]
            if found:
                self._measure(quantity, found, attach)
            elif quantity.owner not in known or quantity.argument is not None:
                raise _unknown(quantity, events, known)
        if self._require_hits:
            names = sorted({event.full_name for event in events})
            self._expected += [parse_expectation(f"{name}.hits > 0") for name in names]
            self._events |= {name: [name] for name in names}

    def _measure(
        self, quantity: Quantity, events: Sequence[_Event], attach: Callable[[Any, Action], None]
    ) -> None:
        self._events[quantity.owner] = list(dict.fromkeys(event.full_name for event in events))
        measured = measurement_of(quantity)
        if measured is not None:
            action, self._measured[quantity] = measured
            for event in events:
                with noted(f"expectation of {quantity}: "):
                    attach(event, action)

    def judge(
        self, totals: Sequence[Mapping[str, Any]], consumers: Sequence[Mapping[str, Any]]
    ) -> list[Outcome]:
        """Which of them held.

        :param totals: the counts of every event, as a report has them
        :param consumers: what each consumer found, as a report has it
        """
        lookup = _in_report(totals, consumers, self._events, lambda quantity: self._measured[quantity]())
        before = None if self._baseline is None else _of_baseline(self._baseline)
        return [judge(each, lookup, before) for each in self._expected]


def _unknown(quantity: Quantity, events: Collection[_Event], consumers: set[str]) -> UsageError:
    names = sorted({event.full_name for event in events}) or ["none"]
    return UsageError(
        f"expectation of {str(quantity)!r}: no event and no consumer is called {quantity.owner!r}",
        hint=f"events: {', '.join(names[:20])}; consumers: {', '.join(sorted(consumers)) or 'none'}",
        slug="bad-expectation",
    )


def _in_report(
    totals: Sequence[Mapping[str, Any]],
    consumers: Sequence[Mapping[str, Any]],
    events: Mapping[str, Sequence[str]],
    measured: Lookup,
) -> Lookup:
    """Numbers by name: what was counted, measured, or found by consumers."""
    counts = {total["name"]: total for total in totals}

    def lookup(quantity: Quantity) -> float:
        names = events.get(quantity.owner)
        if names is None:
            return consumer_number(quantity, consumers)
        if len(quantity.path) == 1 and quantity.path[0] in COUNTED and quantity.argument is None:
            return sum(counted(quantity.path, counts[name]) for name in names if name in counts)
        return measured(quantity)

    return lookup


def _of_baseline(report: Mapping[str, Any]) -> Lookup:
    """Numbers of a report by name; what only an expectation measured is known by its text there."""
    said = {name: n for each in report.get("expectations", ()) for name, n in each["found"].items()}
    events: dict[str, list[str]] = {}
    for total in report["events"]:
        for name in (total["name"], total["name"].partition("/")[2]):
            events.setdefault(name, []).append(total["name"])

    def measured(quantity: Quantity) -> float:
        raise Unknown("no expectation measured it there")

    lookup = _in_report(report["events"], report["consumers"], events, measured)
    return lambda quantity: said[str(quantity)] if str(quantity) in said else lookup(quantity)


def read_baseline(path: str) -> dict[str, Any]:
    """The report in the file *path*; raises UsageError."""
    try:
        report = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(
            f"cannot read the baseline {path!r}: {error.strerror}", hint="--report FILE writes one"
        ) from None
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict) or not {"events", "consumers"} <= set(report):
        raise UsageError(f"the baseline {path!r} is no report", hint="--report FILE writes one")
    return report
