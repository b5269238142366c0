"""What Linux 6.1 answers to filters and triggers otherwise than 6.12 (recorded on 6.1.192, arm64)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.support import load, make_language
from tests.events.test_recorded_filters import hits
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.filters import compile_filter, parse_filter
from uprobe_core.events.hist_parse import parse_hist
from uprobe_core.events.histogram import Histogram
from uprobe_core.events.triggers import TriggerList
from uprobe_core.types import Policy

RECORDED = load("triggers-6.1.json")
HISTOGRAMS = load("histograms-6.1.json")


def event(line: str) -> EventSpec:
    """The recorded event as 6.1 reads it, on a file that exists here."""
    (spec,) = make_language(Policy("kernel", "6.1")).parse(line.replace("/root/filt", "/root/loops"))
    assert isinstance(spec, EventSpec)
    return spec


def answer(error: SpecError) -> dict[str, Any]:
    """*error* in the recording's terms."""
    logged = {"message": error.message, "caret": error.caret} if error.logged else {}
    return {"errname": error.errno_name, **logged}


@pytest.mark.parametrize("case", RECORDED["triggers"], ids=lambda case: case["trigger"])
def test_a_trigger_gets_the_answer_of_6_1(case: dict[str, Any]) -> None:
    triggers, found = TriggerList(), {"errname": "0"}
    try:
        triggers.write(
            case["trigger"], event(RECORDED["event"]), {"uprobes/ev", "uprobes/other"}.__contains__
        )
    except SpecError as error:
        found = answer(error)
    assert {"trigger": case["trigger"], **found, "listing": triggers.listing()} == case


def test_filters_get_the_answers_of_6_1() -> None:
    spec, wrong = event(RECORDED["filter_event"]), {}
    for case in RECORDED["filters"]:
        found = {"errname": "0"}
        try:
            parse_filter(case["filter"], spec)
        except SpecError as error:
            found = answer(error)
        if {"filter": case["filter"], **found} != case:
            wrong[case["filter"]] = found
    assert wrong == {}


@pytest.mark.parametrize("case", HISTOGRAMS["cases"], ids=lambda case: case["trigger"])
def test_a_histogram_counts_and_sorts_as_in_6_1(case: dict[str, Any]) -> None:
    spec = event(HISTOGRAMS["event"])
    text, _, condition = case["trigger"].partition(" if ")
    histogram = Histogram(parse_hist(text, condition, spec))
    passes = compile_filter(condition, spec) if condition else lambda _hit: True
    for hit in filter(passes, hits(spec)):
        histogram.add(histogram.measure(hit))
    assert histogram.text().rstrip("\n").split("\n") == case["text"]
