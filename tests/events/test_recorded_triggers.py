"""Triggers are taken, refused, listed and printed as recorded on Linux 6.12.117 (Debian, arm64)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.support import load
from tests.events.test_recorded_filters import event, hits
from uprobe_core.errors import SpecError
from uprobe_core.events.filters import compile_filter
from uprobe_core.events.hist_parse import parse_hist
from uprobe_core.events.histogram import Histogram
from uprobe_core.events.triggers import TriggerList

TRIGGERS = load("triggers.json")
HISTOGRAMS = load("histograms.json")


def write(triggers: TriggerList, text: str, line: str = TRIGGERS["event"]) -> dict[str, Any]:
    """What a write gives, in the recording's terms."""
    found: dict[str, Any] = {"trigger": text, "errname": "0"}
    try:
        triggers.write(text, event(line), TRIGGERS["events"].__contains__)
    except SpecError as error:
        found["errname"] = error.errno_name
        if error.logged:
            found |= {"message": error.message, "caret": error.caret}
    return found | {"listing": triggers.listing()}


@pytest.mark.parametrize("case", TRIGGERS["alone"], ids=lambda case: case["trigger"])
def test_a_trigger_alone_gets_the_recorded_answer(case: dict[str, Any]) -> None:
    assert write(TriggerList(), case["trigger"]) == case


@pytest.mark.parametrize("case", TRIGGERS["wide"], ids=lambda case: case["trigger"])
def test_a_histogram_of_arrays_gets_the_recorded_answer(case: dict[str, Any]) -> None:
    assert write(TriggerList(), case["trigger"], TRIGGERS["wide_event"]) == case


def test_triggers_one_after_the_other_get_the_recorded_answers() -> None:
    triggers = TriggerList()
    for case in TRIGGERS["in_order"]:
        assert write(triggers, case["trigger"]) == case


@pytest.mark.parametrize("case", HISTOGRAMS["cases"], ids=lambda case: case["trigger"])
def test_a_histogram_prints_as_recorded(case: dict[str, Any]) -> None:
    spec = event(HISTOGRAMS["event"])
    text, _, condition = case["trigger"].partition(" if ")
    histogram = Histogram(parse_hist(text, condition, spec))
    passes = compile_filter(condition, spec) if condition else lambda _hit: True
    for hit in hits(spec):
        hit.tid = HISTOGRAMS["pid"]
        hit.task.cpu = lambda: HISTOGRAMS["cpu"]  # type: ignore[method-assign]
        if passes(hit):
            histogram.add(histogram.measure(hit))
    assert histogram.text().rstrip("\n").split("\n") == case["text"]


def test_a_full_histogram_counts_what_it_drops() -> None:
    spec = event(HISTOGRAMS["event"])
    histogram = Histogram(parse_hist("hist:keys=a:size=128", "", spec))
    for number in range(200):
        histogram.add(((number,), (), ""))
    histogram.add(((0,), (), ""))
    assert histogram.text().endswith("\nTotals:\n    Hits: 129\n    Entries: 128\n    Dropped: 72\n")


def test_clear_forgets_everything_but_whether_it_is_paused() -> None:
    spec = event(HISTOGRAMS["event"])
    histogram = Histogram(parse_hist("hist:keys=a:pause", "", spec))
    histogram.add(((1,), (), ""))
    histogram.paused = False
    histogram.add(((1,), (), ""))
    histogram.clear()
    assert (histogram.hits, histogram.entries, histogram.paused) == (0, {}, False)
