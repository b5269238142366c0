"""The graph of calls against the paths that the program itself tells of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from uprobe_counter.graph import GraphConsumer

import uprobe_core as up
from tests.programs import symbols, zig
from uprobe_core.actions import CallGraph
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.types import Returns

OWN = ("main", "leaf", "odd", "even", "jumper", "outer", "twice")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def paths_told(program: Path, output: str) -> Counter[tuple[str, ...]]:
    """How often a call of each path returned, by what the program tells."""
    names = {address: name for name, (address, _) in symbols(program).items() if name[:1] != "$"}
    stack: list[str] = []
    found: Counter[tuple[str, ...]] = Counter()
    for line in output.split():
        name = names[int(line[1:], 16)]
        if line[0] == "+":
            while name == "leaf" and stack[-1] == "jumper":  # left by longjmp
                stack.pop()
            stack.append(name)
        else:
            while stack[-1] != name:
                stack.pop()
            found[tuple(stack)] += 1
            stack.pop()
    return found


@pytest.mark.parametrize("engine", ["c", "py"])
def test_it_has_the_calls_of_each_path(program: Path, engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    setup = RunSetup(argv=(str(program),), functions=OWN, engine=engine)
    consumer = GraphConsumer({})
    with up.Session.from_setup(setup) as session:
        for event in list(session.events.events)[::2]:
            session.attach(event, consumer)
        session.run()
    found = consumer._graph.result()
    expected = paths_told(program, capfd.readouterr().out)
    expected["main",] += 1  # which tells of its calls before it returns
    assert {path: calls for path, (calls, _) in found.items()} == expected


def text(program: Path, tmp_path: Path, options: dict[str, str], **more: Any) -> list[str]:
    out = tmp_path / "out"
    uses = (ConsumerUse("graph", options),)
    setup = RunSetup(argv=(str(program),), functions=OWN, consumers=uses, output=str(out), **more)
    with up.Session.from_setup(setup) as session:
        session.run()
    return out.read_text().splitlines()


def test_it_is_shown_from_one_function_down_with_the_longest_first(program: Path, tmp_path: Path) -> None:
    lines = text(program, tmp_path, {"of": "tw*"})
    assert lines[0] == "graph of calls in tw*"
    assert [line.split()[-2:] for line in lines[1:3]] == [["3", "twice"], ["6", "leaf"]]


def test_engines_give_the_same_and_depth_cuts(program: Path, tmp_path: Path) -> None:
    tables = [text(program, tmp_path, {"depth": "2"}, engine=engine) for engine in ("c", "py")]
    assert tables[0] == tables[1]
    assert not any("      " + name in line[20:] for line in tables[0][1:3] for name in OWN)


@pytest.mark.parametrize("returns", [Returns.WATCH, Returns.HIJACK])
def test_what_forked_processes_called_is_in_it(tmp_path: Path, returns: Returns) -> None:
    """A child goes on in the calls that it was forked in."""
    tables = []
    for engine in ("c", "py"):
        out = tmp_path / engine
        uses = (ConsumerUse("graph"),)
        program = str(zig("family.c"))
        setup = RunSetup(
            argv=(program,),
            functions=("main", "fork", "waitpid"),
            consumers=uses,
            engine=engine,
            returns=returns,
            output=str(out),
        )
        with up.Session.from_setup(setup) as session:
            session.run()
        tables.append(out.read_text())
    assert tables[0] == tables[1]
    assert [line.split()[-1] for line in tables[0].splitlines()[1:4]] == ["main", "waitpid", "fork"]


def test_beyond_the_bound_calls_are_lost_and_counted(program: Path) -> None:
    setup = RunSetup(argv=(str(program),), functions=OWN)
    graph = CallGraph(max_keys=2)
    with up.Session.from_setup(setup) as session:
        for event in list(session.events.events)[::2]:
            session.attach(event, graph)
        session.run()
    found = graph.result()
    assert 0 < len(found) <= 2
    totals = [each for each in session.events.findings.totals() if not each.name.endswith("__return")]
    returned = sum(total.tallies["returns"] for total in totals)
    assert graph.lost + sum(calls for calls, _ in found.values()) == returned > graph.lost > 0


def test_what_it_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError):
        GraphConsumer({"depth": "-1"})


def test_system_calls_are_not_in_it_and_that_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    setup = RunSetup(
        argv=(str(zig("calls_often.c")), "3"),
        functions=("main", "inside"),
        syscalls=True,
        consumers=(ConsumerUse("graph"),),
        output=str(out),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    assert out.read_text().splitlines()[-1] == "  system calls are not in it"
    assert "warning" not in capfd.readouterr().err


def test_functions_that_differ_in_the_parameters_of_a_type_are_two(tmp_path: Path) -> None:
    out = tmp_path / "out"
    setup = RunSetup(
        argv=(str(zig("holds_functions.cc")),),
        functions=("Holder*",),
        consumers=(ConsumerUse("graph"),),
        output=str(out),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    calls = {line.rpartition("::")[2]: line.split()[2] for line in out.read_text().splitlines()[1:]}
    assert calls == {"put": "2", "get": "1"}
