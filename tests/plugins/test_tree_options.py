"""What options leave of a whole tree is what they say, of random calls and of real threads and forks."""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_writers.tree import TreeWriter

import uprobe_core as up
from tests.programs import GUEST, compiled
from uprobe_core.event_model import EventSpec, Record
from uprobe_core.run_setup import RunSetup
from uprobe_core.writer import RunHeader

LINE = re.compile(r"^ *(?P<amount>\d.*?)? *\u2502 *(\[\d+\] )?(?P<text>\S.*)$")
"""Beyond so many levels their number stands in place of blanks."""
TIMES = re.compile(r"  \u00d7 (\d+)$")
UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
NAMES = "ab"
EVENTS = [
    EventSpec(kind, "x", f"{name}{'__return' if kind == 'r' else ''}", "./x", ord(name), location=name)
    for name in NAMES
    for kind in "pr"
]


@dataclass
class Call:
    """One line of a tree, or two, with what is between them."""

    name: str
    amount: int | None = None
    count: int = 1
    inside: list[Call] = field(default_factory=list)


Forest = dict[str, list[Call]]


def forest(text: str) -> Forest:
    """The calls of each task."""
    tasks: Forest = defaultdict(list)
    stacks: dict[str, list[Call]] = defaultdict(list)
    task = ""
    for line in text.splitlines():
        match = LINE.match(line)
        if match is None:
            task = line
            continue
        stack, words = stacks[task], match["text"]
        if not words.startswith("}"):
            call = Call(words.partition("(")[0])
            (stack[-1].inside if stack else tasks[task]).append(call)
        else:
            call = stack.pop()
        if words.endswith("{"):
            stack.append(call)
        elif match["amount"]:
            number, _, unit = match["amount"].partition(" ")
            call.amount = round(float(number) * UNITS.get(unit, 1))
        times = TIMES.search(words)
        call.count = int(times[1]) if times else 1
    return {task: calls for task, calls in tasks.items() if calls}


def changed(whole: Forest, change: Callable[[list[Call]], list[Call]]) -> Forest:
    found = {task: change(calls) for task, calls in whole.items()}
    return {task: calls for task, calls in found.items() if calls}


def cut(calls: list[Call], depth: int) -> list[Call]:
    return [Call(c.name, c.amount, c.count, cut(c.inside, depth - 1)) for c in calls] if depth else []


def long_enough(calls: list[Call], least: int) -> list[Call]:
    return [
        Call(c.name, c.amount, c.count, long_enough(c.inside, least))
        for c in calls
        if c.amount is None or c.amount >= least
    ]


def under(calls: list[Call], name: str) -> Iterator[Call]:
    for call in calls:
        if call.name == name:
            yield call
        else:
            yield from under(call.inside, name)


def sums(whole: Forest) -> Counter[tuple[str, str, str]]:
    """Calls and what they took, by task and function."""
    found: Counter[tuple[str, str, str]] = Counter()
    todo = [(task, call, 1) for task, calls in whole.items() for call in calls]
    while todo:
        task, call, around = todo.pop()
        found[task, call.name, "calls"] += call.count * around
        found[task, call.name, "took"] += call.amount or 0
        todo += [(task, each, call.count * around) for each in call.inside]
    return found


# --- random calls -----------------------------------------------------------------------------------


@st.composite
def runs(draw: st.DrawFn) -> list[Record]:
    """Calls of three tasks, two of one process, in any order; some never return."""
    records: list[Record] = []
    stacks: dict[tuple[int, int], list[str]] = {(1, 1): [], (1, 2): [], (7, 7): []}
    now = 1000
    for task, name, takes in draw(
        st.lists(
            st.tuples(st.sampled_from(list(stacks)), st.sampled_from([*NAMES, "", ""]), st.integers(1, 4)),
            min_size=20,
            max_size=60,
        )
    ):
        now += takes
        if name:
            stacks[task].append(name)
            event, function = EVENTS[2 * NAMES.index(name)], None
        elif stacks[task]:
            left = NAMES.index(stacks[task].pop())
            event, function = EVENTS[2 * left + 1], EVENTS[2 * left].offset
        else:
            continue
        ip = event.offset if function is None else 0
        records.append(Record(event, now, *task, "x", 0, ip, function, ()))
    return records


def tree(records: list[Record], **options: str) -> Forest:
    out = io.BytesIO()
    writer = TreeWriter(out, RunHeader(("x",), EVENTS, options))
    for record in records:
        writer.write(record)
    writer.close()
    return forest(out.getvalue().decode())


@given(runs(), st.integers(1, 4))
def test_depth_cuts(records: list[Record], depth: int) -> None:
    whole = tree(records, fold="no")
    assert tree(records, fold="no", depth=str(depth)) == changed(whole, lambda calls: cut(calls, depth))


@given(runs(), st.integers(2, 12))
def test_min_time_filters(records: list[Record], least: int) -> None:
    whole = tree(records, fold="no")
    assert tree(records, fold="no", min_time=str(least)) == changed(
        whole, lambda calls: long_enough(calls, least)
    )


@given(runs(), st.sampled_from(NAMES))
def test_tree_of_has_the_subtrees(records: list[Record], name: str) -> None:
    whole = tree(records, fold="no")
    assert tree(records, fold="no", tree_of=name) == changed(whole, lambda calls: list(under(calls, name)))


@given(runs())
def test_folding_keeps_the_sums(records: list[Record]) -> None:
    assert sums(tree(records)) == sums(tree(records, fold="no"))


# --- real ones --------------------------------------------------------------------------------------

THREADS = "leaf", "wait_turn", "next_turn", "ends", "throws", "catches", "taker", "ender", "main"
FORKS = "leaf", "forker", "vforker", "outer", "child_begins", "main"
PROGRAMS = [("ends_of_threads.c", THREADS), ("forks_inside.c", FORKS)]


@pytest.mark.parametrize(("source", "functions"), PROGRAMS)
@pytest.mark.parametrize("unit", ["time", "insns"])
def test_they_hold_for_threads_and_forked_processes(
    source: str, functions: tuple[str, ...], unit: str, tmp_path: Path
) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2", "-pthread"], GUEST / source)

    def shown(options: str) -> Forest:
        out, tree = tmp_path / "out", f"tree:unit={unit}{options}"
        setup = RunSetup(argv=(str(program),), functions=functions, output=str(out), format=tree)
        with up.Session.from_setup(setup) as session:
            session.run()
        return forest(out.read_text(encoding="utf-8"))

    whole = shown(",fold=no")
    assert len(whole) >= 3
    assert shown(",fold=no,depth=2") == changed(whole, lambda calls: cut(calls, 2))
    assert shown(",fold=no,tree_of=leaf") == changed(whole, lambda calls: list(under(calls, "leaf")))
    folded = sums(shown(""))
    assert {key: n for key, n in folded.items() if key[2] == "calls"} == {
        key: n for key, n in sums(whole).items() if key[2] == "calls"
    }
