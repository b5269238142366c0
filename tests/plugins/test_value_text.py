"""Texts and times of guests as people see them: nothing in them ends a line or turns it around."""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_counter.graph import GraphReport
from uprobe_counter.keys import shown

from uprobe_core.value_text import indented, quoted, time_text

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("שלום", '"שלום"'),
        ("e\u202egnp.exe", '"e\\u202egnp.exe"'),
        ("\x9b31m", '"\\u009b31m"'),
        ("\udcff", '"\\xff"'),
        ("a\u2028b\nc", '"a\\u2028b\\nc"'),
        ("\x1b[31m\x07", '"\\x1b[31m\\x07"'),
        ("👩\u200d👧", '"👩\u200d👧"'),
        ("全角\u3000", '"全角\u3000"'),
        ('"\\', '"\\"\\\\"'),
    ],
)
def test_what_is_not_seen_itself_is_escaped(text: str, seen: str) -> None:
    assert quoted(text) == shown(text) == seen


@given(st.text())
def test_no_text_acts_on_a_terminal(text: str) -> None:
    found = {unicodedata.category(letter) for letter in quoted(text) if letter not in JOINERS}
    assert not found & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_times_change_their_unit_where_they_would_round_to_the_next() -> None:
    times = (999, 999.6, 999_999.7, 999_999_999, 7_200_000_000_000, 123_456_789_012_345)
    assert [time_text(each) for each in times] == [
        "999 ns",
        "1.000 us",
        "1.000 ms",
        "1.000 s",
        "7200.000 s",
        "123456.8 s",
    ]


@given(st.integers(0, 9 * 10**16))
def test_a_time_of_up_to_three_years_is_ten_characters(time: int) -> None:
    assert len(time_text(time)) <= 10


@given(st.integers(0, 10**15))
def test_a_time_says_what_it_is(time: int) -> None:
    number, unit = time_text(time).split()
    size = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number) * size == pytest.approx(time, rel=5e-4, abs=0.5)


def test_deep_calls_have_a_number_instead_of_more_blanks() -> None:
    assert [indented(depth) for depth in (0, 2, 21)] == ["", "    ", " " * 40 + "[21] "]
    assert max(len(indented(depth)) for depth in range(5000)) < 50


def test_a_graph_of_calls_nested_three_thousand_deep_is_text_and_json() -> None:
    found = {("deep",) * depth: (1, 3000 - depth) for depth in range(1, 3001)}
    report = GraphReport(found, None, 0, 0)
    assert report.as_text().count("\n") == 3001
    rows = json.loads(json.dumps(report.as_json()))["tree"]
    assert all(inner["depth"] == outer["depth"] + 1 for outer, inner in pairwise(rows))
    assert rows[-1] == {"depth": 2999, "name": "deep", "calls": 1, "time": 0}
