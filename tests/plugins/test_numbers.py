"""What reports print of numbers: negative buckets, hexadecimal keys, addresses with names, many events."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_counter.consumers import _upper

import uprobe_core as up
from tests.cli.command import LOOP, uprobe
from tests.programs import symbols, zig
from uprobe_core.actions import Hist

NUMBERS = [-(1 << 63), -10, -9, -8, -7, -1, 0, 1, 7, 8, (1 << 63) - 1]


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("takes.c")


@pytest.fixture(params=["py", "c"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "c":
        pytest.importorskip("uprobe_core.native._engine")
    monkeypatch.setenv("UPROBE_ENGINE", request.param)
    return str(request.param)


def histogram(program: Path, **options: object) -> dict[int, int]:
    """The buckets of NUMBERS."""
    with up.Session([str(program), *map(str, NUMBERS)], output=os.devnull) as session:
        found = session.probe(f"p:take {program}:take n=%x0:s64", Hist("n", **options))  # type: ignore[arg-type]
        session.run()
    return found.result()  # type: ignore[no-any-return]


@pytest.mark.parametrize("step", [1, 3, 8, 10, 1 << 40])
def test_a_linear_bucket_begins_at_a_multiple_of_its_step_below_zero_too(program: Path, step: int) -> None:
    expected = Counter(max(number // step * step, -(1 << 63)) for number in NUMBERS)
    assert histogram(program, kind="linear", step=step) == expected


@pytest.mark.parametrize("kind", ["log2", "sub"])
def test_a_negative_bucket_mirrors_a_positive_one_and_is_named_by_its_lower_bound(
    program: Path, kind: str
) -> None:
    reference = Hist("n", kind)
    found = histogram(program, kind=kind)
    assert found == Counter(map(reference.bucket, NUMBERS))
    for number in NUMBERS:
        low = reference.bucket(number)
        assert low <= number <= _upper(reference, low)
    if kind == "log2":
        assert [found[low] for low in (-15, -7, -1, 0, 1)] == [3, 1, 1, 1, 1]


def test_a_report_shows_the_range_of_a_negative_bucket(program: Path) -> None:
    event = f"p:take {program}:take n=%x0:s64"
    done = uprobe(
        "run", "-C", "hist:arg=n,kind=linear,step=5", "-e", event, "--", str(program), "-6", "-5", "-1", "4"
    )
    assert [row.split("#")[0].split() for row in done.stderr.splitlines()[1:]] == [
        ["-10", "..", "-6", "1"],
        ["-5", "..", "-1", "2"],
        ["0", "..", "4", "1"],
        ["total", "4"],
    ]


def test_a_key_of_a_hexadecimal_type_is_hexadecimal_and_no_other() -> None:
    event = "p:work ./loop:work a=%x0:x8 b=%x0:u8 s=+0(+8(%x1)):string"
    done = uprobe("run", "-C", "count:by=a,b,s", "-e", event, "--", "./loop", "2")
    assert done.stderr.splitlines()[1:3] == ['  1  0x0, 0, "zero"', '  1  0x1, 1, "one"']


def test_the_address_of_a_hit_as_a_key_has_its_name() -> None:
    done = uprobe("run", "-C", "count:by=ip", "-e", "p:work ./loop:work", "--", "./loop", "2")
    work = symbols(LOOP)["work"][0]
    assert done.stderr.splitlines()[1] == f"  2  {work:#x} work"


def test_counts_of_many_events_are_one_sorted_table_and_events_without_a_hit_are_one_line() -> None:
    events = [
        word
        for name in ("work", "main", "__stdio_seek", "_Exit", "exit")
        for word in ("-e", f"p:{name} ./loop:{name}")
    ]
    done = uprobe("run", "-C", "count", *events, "--", "./loop", "3")
    assert done.stderr.splitlines() == [
        "count",
        "  3  uprobes/work",
        "  1  uprobes/_Exit",
        "  1  uprobes/exit",
        "  1  uprobes/main",
        "  6  total",
        "  1 event without a hit",
    ]


def test_sections_without_a_hit_are_folded_too() -> None:
    events = [
        "-e",
        "p:seek ./loop:__stdio_seek a=%x0",
        "-e",
        "p:work ./loop:work a=%x0",
        "-e",
        "p:more ./loop:__stdio_seek a=%x0",
    ]
    done = uprobe("run", "-C", "sum:arg=a", *events, "--", "./loop", "3")
    assert [line for line in done.stderr.splitlines() if "uprobes/" in line] == ["uprobes/work: sum of a"]
    assert done.stderr.splitlines()[-1] == "  2 events without a hit"


def test_a_single_event_without_a_hit_has_its_section() -> None:
    done = uprobe("run", "-C", "count", "-e", "p:seek ./loop:__stdio_seek", "--", "./loop", "3")
    assert done.stderr.splitlines() == ["uprobes/seek: count", "  0"]


@given(
    st.sampled_from(["log2", "linear", "sub"]),
    st.integers(1, 100),
    st.integers(0, 8),
    st.integers(-(2**63) + 200, 2**64 - 1),
)
def test_buckets_lie_side_by_side(kind: str, step: int, bits: int, value: int) -> None:
    action = Hist("a", kind, step=step, bits=bits)
    low = action.bucket(value)
    high = _upper(action, low)
    assert low <= value <= high
    assert action.bucket(low) == action.bucket(high) == low
    assert action.bucket(high + 1) == high + 1
    assert low == -(1 << 63) or action.bucket(low - 1) < low
