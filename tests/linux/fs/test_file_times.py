"""Times of files as a guest with a virtual clock sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_linux.fs.file_times import FileTimes

from tests.linux.guests import build
from tests.linux.native import run_inside

START = 1_735_689_600 * 10**9


@pytest.fixture
def times() -> Iterator[FileTimes]:
    made = FileTimes(START)
    yield made
    made.close()


def test_files_made_during_a_run_are_neither_older_than_it_nor_from_the_future(tmp_path: Path) -> None:
    assert run_inside(build("file_times"), tmp_path).splitlines() == [
        "1 1 1",
        "1",
        "1000.5 4102444800.7",
        "1 1",
        "1",
    ]


def test_a_time_before_the_run_stays_what_it_is(times: FileTimes) -> None:
    assert times.shown(times.start, START + 5) == times.start
    assert times.shown(17, START + 5) == 17


def test_a_time_that_no_clock_has_reached_was_chosen_and_stays(times: FileTimes) -> None:
    chosen = time.time_ns() + 10**15
    assert times.shown(chosen, START + 5) == chosen


def test_a_change_is_worth_the_time_of_the_first_look_at_it(times: FileTimes) -> None:
    assert times.shown(times.start + 100, START + 700) == START + 700
    assert times.shown(times.start + 100, START + 900) == START + 700


def test_a_change_between_two_that_were_looked_at_lies_between_them(times: FileTimes) -> None:
    times.shown(times.start + 100, START + 1000)
    times.shown(times.start + 200, START + 3000)
    assert times.shown(times.start + 150, START + 9000) == START + 2000


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_whatever_is_looked_at_when_the_order_of_changes_stays(looks: list[tuple[int, int]]) -> None:
    times = FileTimes(START)
    now = START
    seen: dict[int, int] = {}
    for offset, passed in looks:
        now += passed
        shown = times.shown(times.start + offset, now)
        assert START <= shown <= now
        assert seen.setdefault(offset, shown) == shown
    ordered = [shown for _, shown in sorted(seen.items())]
    assert ordered == sorted(ordered)
    times.close()
