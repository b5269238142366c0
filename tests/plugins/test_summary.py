"""The summary of calls against arithmetic over the records of the same run."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.actions.call_graph import CallGraph
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.types import Returns

OWN = ("main", "leaf", "odd", "even", "jumper", "outer", "twice")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def run(program: Path, tmp_path: Path, **options: Any) -> str:
    out = tmp_path / "out"
    setup = RunSetup(argv=(str(program),), output=str(out), **{"functions": OWN, **options})
    with up.Session.from_setup(setup) as session:
        session.run()
    return out.read_text()


def from_records(text: str, below: int | None = None) -> dict[str, dict[str, float]]:
    """Calls, total, own, mean, p99 and max of each function, from its records one by one.

    :param below: only of calls whose argument n is smaller
    """
    lists: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    calls: list[tuple[str, int, list[int]]] = []
    for record in map(json.loads, text.splitlines()):
        name = record["event"].removesuffix("__return")
        if record["type"] == "entry":
            calls.append((name, record["timestamp_ns"], []))
            continue
        began = record["timestamp_ns"] - record["args"]["took"]
        while calls[-1][:2] != (name, began):  # left by longjmp: what it called is what its caller called
            _, _, inside = calls.pop()
            calls[-1][2].extend(inside)
        _, _, inside = calls.pop()
        took = record["args"]["took"]
        if below is None or record["args"]["n"] < below:
            lists[name].append((took, took - sum(inside), began))
        if calls:
            calls[-1][2].append(took)
    return {name: summed(found) for name, found in lists.items()}


def summed(found: list[tuple[int, int, int]]) -> dict[str, float]:
    times = sorted(took for took, _, _ in found)
    return {
        "calls": len(times),
        "total": covered((began, began + took) for took, _, began in found),
        "own": sum(own for _, own, _ in found),
        "mean": sum(times) / len(times),
        "p99": times[math.ceil(len(times) * 0.99) - 1],
        "max": times[-1],
    }


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """How much time is in at least one of them."""
    sum_of_all = until = 0
    for begin, end in sorted(spans):
        sum_of_all += max(end - max(begin, until), 0)
        until = max(end, until)
    return sum_of_all


@pytest.mark.parametrize("returns", [Returns.WATCH, Returns.HIJACK])
@pytest.mark.parametrize("engine", ["c", "py"])
def test_it_is_what_the_records_add_up_to(
    program: Path, tmp_path: Path, engine: str, returns: Returns
) -> None:
    expected = from_records(run(program, tmp_path, format="jsonl", returns=returns))
    setup = RunSetup(argv=(str(program),), functions=OWN, engine=engine, returns=returns)
    with up.Session.from_setup(setup) as session:
        actions = {event.full_name: up.Summary() for event in list(session.events.events)[::2]}
        for event in list(session.events.events)[::2]:
            session.attach(event, actions[event.full_name])
        session.run()
    for name, numbers in expected.items():
        found = actions[name].result()._asdict()
        assert {key: found[key] for key in numbers} == numbers, name
    assert expected["tells_its_calls/odd"]["total"] < 5 * expected["tells_its_calls/odd"]["mean"]


LEFT = ("leaf", "deep", "lands", "catches", "ends")


def records_of_left(program: Path, tmp_path: Path, returns: Returns) -> str:
    lines = [
        EventLine(line)
        for name in LEFT
        for line in (
            f"p:x/{name} {program}:{name} n=%x0:s32",
            f"r:x/{name}__return {program}:{name} n=$entry(%x0):s32 took=$latency",
        )
    ]
    return run(program, tmp_path, functions=(), events=tuple(lines), format="jsonl", returns=returns)


@pytest.mark.parametrize("returns", [Returns.WATCH, Returns.HIJACK])
@pytest.mark.parametrize("engine", ["c", "py"])
def test_time_within_calls_that_do_not_return_or_are_not_counted_is_found_once(
    tmp_path: Path, engine: str, returns: Returns
) -> None:
    """Recursion left by longjmp, to who returns at once or calls another, and by the end of the program."""
    program = zig("never_returns.c")
    records = records_of_left(program, tmp_path, returns)
    expected = from_records(records), from_records(records, below=3)
    with up.Session([str(program)], output=os.devnull, engine=engine, returns=returns) as session:
        found = {name: (up.Summary(), up.Summary(when="n < 3")) for name in LEFT}
        for name, pair in found.items():
            session.probe(f"p:x/{name} {program}:{name} n=%x0:s32", *pair)
        session.run()
    for number, numbers in enumerate(expected):
        for name, of_function in numbers.items():
            summary = found[name.partition("/")[2]][number].result()._asdict()
            assert {key: summary[key] for key in of_function} == of_function, (name, number)
    assert set(expected[0]) == {f"x/{name}" for name in LEFT}


@pytest.mark.parametrize("left_out", [2, 4, -1])
@pytest.mark.parametrize("engine", ["c", "py"])
def test_time_of_a_function_that_calls_itself_twice_is_found_once(
    tmp_path: Path, engine: str, left_out: int
) -> None:
    """Also within calls in between that are not counted; against the spans of the records."""
    program = zig("shapes.c")
    entry, leave = f"p:x/fib {program}:fib n=%x0:s32", f"{program}:fib n=$entry(%x0):s32 took=$latency"
    lines = (EventLine(entry), EventLine(f"r:x/fib__return {leave}"))
    text = run(program, tmp_path, functions=(), events=lines, format="jsonl")
    records = [each for each in map(json.loads, text.splitlines()) if each["type"] != "entry"]
    counted = [each for each in records if each["args"]["n"] != left_out]
    ends = [(each["timestamp_ns"], each["args"]["took"]) for each in counted]
    summary = up.Summary(when=f"n != {left_out}")
    with up.Session([str(program)], output=os.devnull, engine=engine) as session:
        session.probe(entry, summary)
        session.run()
    found = summary.result()
    assert (found.calls, found.total) == (len(counted), covered((end - took, end) for end, took in ends))
    assert found.max == max(took for _, took in ends)
    assert len(records) > 10


def test_engines_give_the_same_table(program: Path, tmp_path: Path) -> None:
    tables = [
        run(program, tmp_path, engine=engine, consumers=(ConsumerUse("summary"),)) for engine in ("c", "py")
    ]
    assert tables[0] == tables[1]
    assert tables[0].splitlines()[1].split() == ["calls", "total", "own", "mean", "p99", "max", "function"]


def test_calls_of_a_handler_in_python_know_their_own_time(program: Path) -> None:
    """What an action knows, a consumer that is called at each return knows as well."""

    class Own:
        def __init__(self) -> None:
            self.found: list[tuple[int, int]] = []

        def ret_handler(self, hit: Any) -> None:
            self.found.append((hit.own_ns, hit.once_ns(self)))

    answers = []
    for engine in ("c", "py"):
        setup = RunSetup(argv=(str(program),), functions=("odd",), engine=engine)
        with up.Session.from_setup(setup) as session:
            own = Own()
            for event in list(session.events.events)[::2]:
                session.attach(event, own)
            session.run()
        answers.append(own.found)
    assert answers[0] == answers[1]
    assert sum(own for own, _ in answers[0]) == sum(once for _, once in answers[0])


class Chosen:
    """Looks at returns, and chooses processes: what it is attached to is never the native engine's."""

    name = "chosen"

    def filter(self, process: Any) -> bool:
        return True

    def ret_handler(self, hit: Any) -> None:
        return None


def added_up(
    program: Path, events: list[str], chosen: tuple[str, ...], **options: Any
) -> dict[str, tuple[int, ...]]:
    """Calls, total and own time of *events*, and all paths; *chosen* have one that Python calls."""
    with up.Session([str(program)], output=os.devnull, **options) as session:
        summaries = {name: up.Summary() for name in events}
        graph = CallGraph()
        for name, summary in summaries.items():
            others = [Chosen()] if name in chosen else []
            session.probe(f"p:{name} {program}:{name}", summary, graph, *others)
        session.run()
    found: dict[Any, tuple[int, ...]] = {
        name: tuple(summary.result()[:3]) for name, summary in summaries.items()
    }
    return {**found, **graph.result()}


@pytest.mark.parametrize("chosen", [("leaf",), ("twice", "odd"), ("main",)])
def test_calls_that_only_python_follows_are_in_the_time_of_others(
    program: Path, tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    expected = from_records(run(program, tmp_path, format="jsonl"))
    found = added_up(program, list(OWN), chosen)
    for name, numbers in expected.items():
        own = numbers["calls"], numbers["total"], numbers["own"]
        assert found[name.partition("/")[2]] == own, name
    assert found == added_up(program, list(OWN), chosen, engine="py")


@pytest.mark.parametrize("follow", [True, False])
def test_what_a_vforked_child_calls_is_not_in_its_parents_time(follow: bool) -> None:
    program = zig("vforks.c")
    tables = [added_up(program, ["main", "work"], (), engine=engine, follow=follow) for engine in ("c", "py")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("options", [{"sort": "age"}, {"top": "-1"}, {"speed": "1"}])
def test_an_option_that_it_cannot_have_is_refused(options: dict[str, str]) -> None:
    from uprobe_counter import SummaryConsumer

    with pytest.raises(UsageError):
        SummaryConsumer(options)


def test_sort_and_top_choose_rows(program: Path, tmp_path: Path) -> None:
    use = ConsumerUse("summary", {"sort": "calls", "top": "2"})
    lines = run(program, tmp_path, consumers=(use,)).splitlines()
    calls = [int(line.split()[0]) for line in lines[2:4]]
    assert lines[2].endswith("/leaf")
    assert calls == sorted(calls, reverse=True)
    assert lines[4].strip() == "4 more functions"


def test_what_forked_processes_called_is_in_it(tmp_path: Path) -> None:
    program = zig("family.c")
    tables = []
    for engine in ("c", "py"):
        out = tmp_path / engine
        setup = RunSetup(
            argv=(str(program),),
            functions=(str(program),),
            consumers=(ConsumerUse("summary", {"sort": "name"}),),
            engine=engine,
            output=str(out),
        )
        with up.Session.from_setup(setup) as session:
            session.run()
        tables.append(out.read_text())
    assert tables[0] == tables[1]


def test_calls_beyond_the_bound_are_lost_and_counted_one_by_one() -> None:
    summary = up.Summary(max_keys=1)
    summary.add(5, 4, 5, (20, 20, 20))
    summary.add(9, 3, 9, (27, 27, 27))
    summary.add(5, 1, 5, (5, 5, 5))
    assert (summary.lost, summary.result().calls, summary.result().total) == (3, 5, 25)
