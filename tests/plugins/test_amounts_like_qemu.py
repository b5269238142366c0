"""Instructions and time of calls, one by one and added up, against those of a log of another emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import uprobe_core as up
from tests.plugins.qemu_calls import QEMU, Returned, by_qemu, sizes
from tests.programs import GUEST, compiled
from uprobe_core.actions import CallGraph
from uprobe_core.run_setup import RunSetup
from uprobe_core.types import Returns

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU} (package qemu-user)")

SHAPES = {
    "leaves_and_tails": "main qsort raise last second first thrower guarded raiser fibonacci compared",
    "comes_back": "main leaf again ping pong leaves tail_leaves loops on_signal raises",
    "switches": "main leaf on_fault faults tries",
    "never_returns": "main leaf deep lands catches ends",
}
"""Programs of one task, and functions: tail and mutual recursion, longjmps, signals, faults."""


def program_of(shape: str) -> Path:
    return compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / f"{shape}.c")


@cache
def truth(shape: str) -> list[Returned]:
    program = program_of(shape)
    with TemporaryDirectory() as folder:
        (task,) = by_qemu(program, sizes(program, SHAPES[shape]), Path(folder))
    return task.returned


def setup_of(shape: str, **options: Any) -> RunSetup:
    argv = (str(program_of(shape)),)
    return RunSetup(argv=argv, functions=tuple(SHAPES[shape].split()), inherit_env=False, **options)


@pytest.mark.parametrize("returns", [Returns.WATCH, Returns.HIJACK])
@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_call_has_its_instructions_and_its_time(
    shape: str, engine: str, returns: Returns, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with up.Session.from_setup(
        setup_of(shape, engine=engine, returns=returns, format="jsonl", output=str(out))
    ) as session:
        session.run()
    records = [json.loads(line) for line in out.read_text().splitlines()]
    found = [
        (name_of(each["event"]), each["args"]["insns"], each["args"]["took"])
        for each in records
        if each["type"] == "return"
    ]
    assert found == [(call.path[-1], call.insns, call.took) for call in truth(shape)]


def name_of(event: str) -> str:
    return event.rpartition("/")[2].removesuffix("__return")


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_they_add_up_to_by_path_and_by_function(shape: str, engine: str) -> None:
    graph = CallGraph()
    with up.Session.from_setup(setup_of(shape, engine=engine, output=os.devnull)) as session:
        summaries = {}
        for event in list(session.events.events)[::2]:
            summary = summaries[event.name] = up.Summary()
            session.attach(event, summary)
            session.attach(event, graph)
        session.run()
    assert graph.result() == by_path(truth(shape))
    found = {name: summary.result() for name, summary in summaries.items()}
    assert {name: each[:3] for name, each in found.items() if each.calls} == by_function(truth(shape))


def by_path(calls: list[Returned]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Calls and time."""
    numbers = Counter(call.path for call in calls)
    return {path: (n, sum(c.took for c in calls if c.path == path)) for path, n in numbers.items()}


def by_function(calls: list[Returned]) -> dict[str, tuple[int, int, int]]:
    """Calls, time in at least one of them, own time."""
    groups: dict[str, list[Returned]] = defaultdict(list)
    for call in calls:
        groups[call.path[-1]].append(call)
    return {
        name: (len(group), sum(until_none(group)), sum(call.own for call in group))
        for name, group in groups.items()
    }


def until_none(calls: list[Returned]) -> Iterator[int]:
    """Times in which at least one of the calls was under way, which are added up once."""
    until = 0
    for begin, end in sorted((call.began, call.began + call.took) for call in calls):
        yield max(end - max(begin, until), 0)
        until = max(end, until)


@pytest.mark.parametrize("fold", ["yes", "no"])
def test_a_tree_has_them_folded_and_unfolded(fold: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    setup = setup_of("leaves_and_tails", output=str(out), format=f"tree:unit=insns,fold={fold}")
    with up.Session.from_setup(setup) as session:
        session.run()
    found: Counter[str] = Counter()
    for line in out.read_text(encoding="utf-8").splitlines():
        if match := re.match(r" *(\d+) │ +(?:\} .*/\* (\w+) \*/|(\w+)\()", line):
            found[match[2] or match[3]] += int(match[1])
    expected: Counter[str] = Counter()
    for call in truth("leaves_and_tails"):
        expected[call.path[-1]] += call.insns
    assert found == expected


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("weight", ["took", "insns"])
@pytest.mark.parametrize("shape", SHAPES)
def test_folded_stacks_have_what_each_function_took_by_itself(
    shape: str, weight: str, engine: str, tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    for stack, amount in folded(shape, tmp_path / "out", format=f"folded:weight={weight}", engine=engine):
        found[stack[-1]] += amount
    assert found == own_amounts(truth(shape), weight)


def folded(shape: str, out: Path, **options: Any) -> Iterator[tuple[list[str], int]]:
    with up.Session.from_setup(setup_of(shape, output=str(out), **options)) as session:
        session.run()
    for line in out.read_text().splitlines():
        stack, _, amount = line.rpartition(" ")
        yield stack.split(";"), int(amount)


def own_amounts(calls: list[Returned], weight: str) -> Counter[str]:
    """By function; the calls right in a call are those that returned in it and in no other one in it."""
    found: Counter[str] = Counter()
    for at, call in enumerate(calls):
        own, before = getattr(call, weight), call.began + call.took
        for inner in reversed(calls[:at]):
            if inner.began >= call.began and inner.began + inner.took <= before:
                own -= getattr(inner, weight)
                before = inner.began
        found[call.path[-1]] += own
        assert weight == "insns" or own == call.own
    return +found


def test_a_folded_stack_is_that_of_the_call_with_its_function(tmp_path: Path) -> None:
    names = SHAPES["switches"].split()
    found: Counter[tuple[str, ...]] = Counter()
    for stack, amount in folded("switches", tmp_path / "out", format="folded:weight=took"):
        found[tuple(name for name in stack if name in names)] += amount
    expected: Counter[tuple[str, ...]] = Counter()
    for call in truth("switches"):
        expected[call.path] += call.own
    assert found == +expected


def test_a_flame_graph_is_as_wide_as_the_outermost_call(tmp_path: Path) -> None:
    calls = truth("leaves_and_tails")
    assert calls[-1].path == ("main",)
    out = tmp_path / "out.svg"
    with up.Session.from_setup(
        setup_of("leaves_and_tails", output=str(out), format="svg:weight=insns")
    ) as session:
        session.run()
    assert f"{calls[-1].insns} insns</text>" in out.read_text()
