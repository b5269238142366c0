"""Latency on both engines: whose values its keys are, quantiles, and the slowest calls with their arguments.

The program's own numbers are the truth: it sleeps as long as its argument says, on the run's clock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import uprobe_core as up
from uprobe_core.actions.latency import SKETCH_BITS, sketch_bucket
from uprobe_core.errors import UsageError

NAPS = [100 * (i % 7) + 10 for i in range(50)]
"""Microseconds of the program's calls, in order."""
ENTRY = "p:nap {path}:nap us=$arg1 name=+0($arg2):string"
QUANTILES = {"p50": 50, "p90": 90, "p99": 99}


@pytest.fixture(params=["c", "py"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "c":
        pytest.importorskip("uprobe_core.native._engine")
    return str(request.param)


@pytest.fixture(scope="module")
def path(build: Callable[[str], str]) -> str:
    return build("slow")


def measured(engine: str, path: str, line: str, action: Any, *arguments: str) -> Any:
    """What *action* found at *line* of the program."""
    with up.Session([path, *arguments], engine=engine) as session:
        found = session.probe(line.format(path=path), action)
        assert session.run().code == 0
        if engine == "c":
            assert session._native is not None
    return found


def nearest_rank(values: list[int], percent: int) -> int:
    """The smallest value that at least *percent* of all do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def test_keys_of_a_latency_are_the_values_at_entry(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(by=("us", "name")))
    by_key = {key: sum(buckets.values()) for key, buckets in found.result().items()}
    assert by_key == Counter((us, f"n{'abcdefg'[us // 100]}") for us in NAPS)


def test_a_condition_of_a_latency_sees_the_values_at_entry(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(when='us == 210 && name == "nc"'))
    assert sum(found.result().values()) == NAPS.count(210)


def test_latencies_are_as_long_as_the_program_sleeps(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(by="us", kind="linear"))
    for us, statistics in found.quantiles().items():
        assert statistics["count"] == NAPS.count(us)
        assert us * 1000 <= statistics["p50"] <= statistics["max"] < us * 1000 + 100_000


def test_quantiles_stand_beside_the_histogram(engine: str, path: str) -> None:
    """``linear`` counts each latency by itself: what it says is exact, and the sketch is within its error."""
    exact = measured(engine, path, ENTRY, up.Latency(kind="linear"))
    found = measured(engine, path, ENTRY, up.Latency())
    values = [latency for latency, count in exact.result().items() for _ in range(count)]
    statistics = found.quantiles()
    for name, percent in QUANTILES.items():
        truth = nearest_rank(values, percent)
        assert exact.quantiles()[name] == truth
        assert truth <= statistics[name] <= truth * (1 + 2**-SKETCH_BITS)
    assert statistics["max"] == max(values)
    assert statistics["count"] == len(NAPS)
    assert found.result() == Counter(1 << value.bit_length() - 1 for value in values)


def test_the_slowest_calls_are_kept_with_the_arguments_of_their_entry(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(top=10, stack=4))
    calls = found.slowest()
    assert [call.args for call in calls] == [{"us": 610, "name": "ng"}] * 7 + [{"us": 510, "name": "nf"}] * 3
    assert [call.rank for call in calls] == sorted(call.rank for call in calls)
    assert all(call.latency >= call.args["us"] * 1000 for call in calls)
    assert {tuple(frame.function for frame in call.stack)[:2] for call in calls} == {("one", "main")}
    assert {call.comm for call in calls} == {"slow"}


@pytest.mark.parametrize(
    "line", [ENTRY, "r:nap {path}:nap us=$arg1 name=+0($arg2):string again=$entry(+0(%x1)):string r=$retval"]
)
def test_what_is_kept_of_an_entry_is_kept_without_python(path: str, line: str) -> None:
    pytest.importorskip("uprobe_core.native._engine")
    from uprobe_core.native.plan import plan_event

    with up.Session([path], engine="c") as session:
        session.probe(line.format(path=path), up.Latency(by=("us", "name"), top=3, stack=2))
        (event,) = session.events.events
        assert not plan_event(event).calls_python


def test_without_stacks_there_are_none(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(top=1))
    assert [call.stack for call in found.slowest()] == [()]


def test_both_engines_keep_the_same_calls(path: str) -> None:
    pytest.importorskip("uprobe_core.native._engine")
    native, reference = (
        measured(engine, path, ENTRY, up.Latency(by="name", top=5)) for engine in ("c", "py")
    )
    pairs = [
        [(call.args, call.pid, call.tid, call.comm) for call in found.slowest()]
        for found in (native, reference)
    ]
    assert pairs[0] == pairs[1]


def test_the_slowest_call_of_a_forked_child_is_among_them(engine: str, path: str) -> None:
    found = measured(engine, path, ENTRY, up.Latency(top=2), "fork")
    assert [call.args["name"] for call in found.slowest()] == ["child", "ng"]
    assert found.quantiles()["count"] == len(NAPS) + 1
    assert found.quantiles()["max"] >= 5_000_000


def test_a_return_handler_of_an_entry_event_has_the_arguments_of_the_entry(engine: str, path: str) -> None:
    class Pair:
        name = "pair"

        def __init__(self) -> None:
            self.seen: list[tuple[Any, ...]] = []

        def handler(self, hit: up.Hit) -> None:
            hit.cookie = hit.args["us"]

        def ret_handler(self, hit: up.ReturnHit) -> None:
            self.seen.append((hit.cookie, hit.args["us"], hit.args["name"], hit.values))

    found = measured(engine, path, ENTRY, Pair())
    assert found.seen == [
        (us, us, f"n{'abcdefg'[us // 100]}", (us, f"n{'abcdefg'[us // 100]}")) for us in NAPS
    ]


def test_a_return_handler_alone_has_them_too(engine: str, path: str) -> None:
    class Alone:
        name = "alone"

        def __init__(self) -> None:
            self.seen: list[Any] = []

        def ret_handler(self, hit: up.ReturnHit) -> None:
            self.seen.append(dict(hit.args))

    found = measured(engine, path, ENTRY, Alone())
    assert found.seen == [{"us": us, "name": f"n{'abcdefg'[us // 100]}"} for us in NAPS]


def test_a_string_behind_an_argument_of_a_return_is_that_of_the_entry(engine: str, path: str) -> None:
    line = "r:nap {path}:nap us=$arg1 name=+0($arg2):string again=$entry(+0(%x1)):string r=$retval:s64"
    found = measured(engine, path, line, up.Record())
    names = [f"n{'abcdefg'[us // 100]}" for us in NAPS]
    assert [record["name"] for record in found.result()] == names
    assert [record["again"] for record in found.result()] == names
    assert {record["r"] for record in found.result()} == {-1}
    assert [record["us"] for record in found.result()] == NAPS


def test_a_string_that_could_not_be_read_at_entry_is_a_fault(engine: str, path: str) -> None:
    found = measured(engine, path, "r:nap {path}:nap name=+0($arg1):string", up.Record())
    assert {record["name"] for record in found.result()} == {None}


@pytest.mark.parametrize("options", [{"top": -1}, {"stack": 3}, {"top": 1 << 20}, {"top": 1, "stack": -1}])
def test_a_list_of_slowest_calls_that_cannot_be_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="latency top"):
        up.Latency(**options)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 1 << 50), min_size=1, max_size=300))
def test_a_quantile_is_a_latency_that_occurred_and_at_most_its_share_too_large(values: list[int]) -> None:
    action = up.Latency()
    for value in values:
        action.apply(((), value, None))
    found = action.quantiles()
    for name, percent in QUANTILES.items():
        truth = nearest_rank(values, percent)
        assert found[name] in values
        assert truth <= found[name] <= truth + truth // 2**SKETCH_BITS
    assert found["max"] == max(values)


@given(st.integers(0, (1 << 64) - 1))
def test_buckets_of_the_sketch_lie_within_those_of_the_histogram(value: int) -> None:
    histogram = up.Latency()
    low = sketch_bucket(value)
    assert low <= value
    assert value - low <= value >> SKETCH_BITS
    assert histogram.bucket(low) == histogram.bucket(value)


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 4))
def test_the_slowest_are_those_of_all_calls_in_order_of_time(latencies: list[int], top: int) -> None:
    """Of the reference, which looks at a call only if it may be one of them."""
    action = up.Latency(top=top)
    measure = action.bind(SimpleNamespace(names=()))
    for time, latency in enumerate(latencies):
        hit = SimpleNamespace(latency_ns=latency, timestamp=time, pid=1, tid=1, comm="c", values=())
        action.apply(measure(hit))  # type: ignore[arg-type]
    expected = sorted(enumerate(latencies), key=lambda each: -each[1])[:top]
    assert [(call.time, call.latency) for call in action.slowest()] == expected
