"""The consumers that count: what they find in a run with known arguments, which options they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_counter.consumers import _upper
from uprobe_counter.report import counts

from tests.cli.command import LOOP, uprobe
from tests.programs import symbols
from uprobe_core.actions import Hist
from uprobe_core.discovery.load import load_consumer
from uprobe_core.errors import UsageError

CALLS = 10
WORK = "p:work ./loop:work a=%x0 name=+0(+8(%x1)):string"
NAMES = ["zero", "one", "two", "three"]  # examples/loop.c


def report(*consumers: str, event: str = WORK) -> list[str]:
    """The lines that consumers print for CALLS calls of ``work(0)`` to ``work(CALLS - 1)``."""
    options = [word for consumer in consumers for word in ("-C", consumer)]
    done = uprobe("run", *options, "-e", event, "--", "./loop", str(CALLS))
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_count_counts_all_hits() -> None:
    assert report("count") == ["uprobes/work: count", "  10"]


def test_count_by_a_field_has_a_line_for_each_value_and_the_sum() -> None:
    title, *rows = report("count:by=name")
    assert title == "uprobes/work: count by name"
    expected = {f'"{name}"': len(range(i, CALLS, 4)) for i, name in enumerate(NAMES)}
    assert {row.split()[1]: int(row.split()[0]) for row in rows[:-1]} == expected
    assert rows[-1].split() == ["10", "total"]


def test_letters_are_shown_as_letters() -> None:
    rows = report("count:by=a", event="p:work ./loop:work a=%x0:char")
    assert {row.split()[1] for row in rows[1:-1]} == {*(rf"'\x{n:02x}'" for n in range(9)), r"'\t'"}


def test_count_by_two_fields_tells_both_apart() -> None:
    rows = report("count:by=a,name")
    assert '   1  0x0, "zero"' in rows


def test_a_condition_is_applied_before_counting() -> None:
    assert report("count:when=a >= 7")[1] == "  3"


def test_sum_gives_count_sum_smallest_largest_and_mean() -> None:
    _, header, values = report("sum:arg=a")
    assert header.split() == ["count", "sum", "min", "max", "avg"]
    assert values.split() == ["10", "45", "0", "9", "4.50"]


def test_a_log2_histogram_has_a_bucket_for_each_power_of_two() -> None:
    title, *rows = report("hist:arg=a")
    assert title == "uprobes/work: log2 histogram of a"
    assert [row.split("#")[0].split() for row in rows] == [
        ["0", "1"],
        ["1", "1"],
        ["2", "..", "3", "2"],
        ["4", "..", "7", "4"],
        ["8", "..", "15", "2"],
        ["total", "10"],
    ]


def test_a_linear_histogram_has_buckets_of_the_given_step() -> None:
    rows = report("hist:arg=a,kind=linear,step=4")
    assert [row.split("#")[0].split() for row in rows[1:]] == [
        ["0", "..", "3", "4"],
        ["4", "..", "7", "4"],
        ["8", "..", "11", "2"],
        ["total", "10"],
    ]


def test_the_longest_bar_belongs_to_the_fullest_bucket() -> None:
    bars = [row.count("#") for row in report("hist:arg=a")[1:-1]]
    assert max(bars) == 40
    assert bars == [10, 10, 20, 40, 20]


def test_latency_sees_every_return() -> None:
    rows = report("latency")
    assert rows[0] == "uprobes/work: latency in ns"
    assert rows[-2].split() == ["total", "10"]
    assert rows[-1].split()[::2] == ["p50", "p90", "p99", "max"]


def test_the_slowest_calls_are_shown_with_their_arguments_and_stacks() -> None:
    rows = report("latency:top=2,stack=2")
    at = rows.index("  slowest:")
    assert [row.split()[1].split("-")[0] for row in rows[at + 1 :: 3]] == ["loop", "loop"]
    assert [row.split()[2] for row in rows[at + 1 :: 3]] == ["a=0x0", "a=0x1"]
    assert rows[at + 2].split()[1].startswith("main+0x")


def test_returns_balance() -> None:
    assert [row.split() for row in report("returns")[1:]] == [
        ["10", "entries"],
        ["10", "returns"],
        ["0", "pending"],
    ]


def test_stacks_begin_with_the_probed_function_and_its_caller() -> None:
    _, times, *frames = report("stacks")
    assert times.strip() == "10 times:"
    addresses, names = zip(*(frame.split() for frame in frames), strict=True)
    assert int(addresses[0], 16) == symbols(LOOP)["work"][0]
    assert int(addresses[1], 16) > symbols(LOOP)["main"][0]
    assert names[0] == "work"
    assert names[1].startswith("main+0x")


def test_several_consumers_report_in_the_order_in_which_they_were_given() -> None:
    titles = [row for row in report("sum:arg=a", "count") if not row.startswith(" ")]
    assert titles == ["uprobes/work: sum of a", "uprobes/work: count"]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("count", {"buy": "a"}, "consumer count has no option 'buy'"),
        ("sum", {}, "consumer sum needs the option 'arg'"),
        ("hist", {"arg": "a", "kind": "log3"}, "no histogram kind 'log3'"),
        ("hist", {"arg": "a", "step": "x"}, "option 'step' of consumer hist is 'x', not a whole number"),
        ("hist", {"arg": "a", "kind": "linear", "step": "0"}, "histogram step 0"),
        ("latency", {"arg": "a"}, "consumer latency has no option 'arg'"),
        ("stacks", {"depth": "deep"}, "option 'depth' of consumer stacks is 'deep'"),
        ("returns", {"by": "a"}, "consumer returns has no option 'by'"),
        ("trace", {"x": "y"}, "consumer trace has no option 'x'"),
    ],
)
def test_a_bad_option_is_refused_before_anything_runs(
    name: str, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_consumer(name, options)
    assert complaint in str(caught.value)
    assert caught.value.hint


@given(
    st.sampled_from(["log2", "linear", "sub"]),
    st.integers(1, 100),
    st.integers(0, 8),
    st.integers(0, 2**64 - 1),
)
def test_a_bucket_ends_where_the_next_one_begins(kind: str, step: int, bits: int, value: int) -> None:
    action = Hist("a", kind, step=step, bits=bits)
    low = action.bucket(value)
    high = _upper(action, low)
    assert low <= value <= high
    assert action.bucket(low) == action.bucket(high) == low
    assert action.bucket(high + 1) == high + 1


@given(st.dictionaries(st.text(max_size=5), st.integers(1, 10**9), min_size=1, max_size=5))
def test_the_total_is_the_sum_and_every_key_is_there(table: dict[str, int]) -> None:
    lines, data = counts(table)
    assert lines[-1].split()[0] == str(sum(table.values()))
    assert data == table
    assert len(lines) == len(table) + 1


def test_reports_are_plain_json() -> None:
    import json

    class Event:
        """As much of an event as attaching takes."""

        group, name, is_return, names = "g", "e", False, ("a",)
        full_name = readable = "g/e"

    for name, options in {
        "count": {"by": "a"},
        "sum": {"arg": "a"},
        "hist": {"arg": "a"},
        "returns": {},
    }.items():
        plugin: Any = load_consumer(name, options)
        plugin.attach(Event(), None)
        document = plugin.report().as_json()
        assert json.loads(json.dumps(document)) == document
        assert set(document["events"]) == {"g/e"}
