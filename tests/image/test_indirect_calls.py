"""Indirect functions are counted as their callers do, over fork and exec, and as gdb counts glibc's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import build_debian
from tests.stacks.debugger import run_gdb

HITS = Path(__file__).parents[1] / "stacks" / "gdb_hits.py"
FIRST, CHILD, EXECUTED, PARENT = 2, 3, 5, 4
"""How often each process of indirect_family.c calls."""


def count(program: Path, *lines: str, **options: Any) -> list[int]:
    """Hits of each event line, in all processes."""
    with up.Session([str(program)], output=os.devnull, **options) as session:
        counters = [session.probe(line, up.Count()) for line in lines]
        assert session.run().shell_status in (0, None)
        return [counter.result() for counter in counters]


@pytest.mark.parametrize("returns", ["watch", "hijack"])
@pytest.mark.parametrize("engine", ["c", "py"])
def test_calls_and_returns_of_all_processes_are_counted(engine: str, returns: str) -> None:
    program = build_debian("indirect_family.c", "-O1", "-static")
    found = count(program, f"p:e {program}:work", f"r:r {program}:work", engine=engine, returns=returns)
    assert found == [FIRST + CHILD + EXECUTED + PARENT] * 2


class SinceMain:
    """Counts from main on: only then gdb is told of the place."""

    name = "since-main"

    def __init__(self) -> None:
        self.started, self.hits = False, 0

    def handler(self, hit: Any) -> None:
        if hit.event.name == "main":
            self.started = True
        self.hits += self.started and hit.event.name == "copy"


def test_memcpy_of_glibc_is_called_as_often_as_gdb_stops_there(tmp_path: Path) -> None:
    """What it resolves to on gdb's processor has a name of its own."""
    program = build_debian("copies.c", "-O1", "-static", "-g")
    known = run_gdb(HITS, program, ["__memcpy_generic"], tmp_path)
    counter = SinceMain()
    with up.Session([str(program)], output=os.devnull) as session:
        session.probe(f"p:main {program}:main", counter)
        session.probe(f"p:copy {program}:memcpy", counter)
        session.run()
    assert counter.hits == known["__memcpy_generic"] >= 286


@pytest.mark.parametrize("returns", ["watch", "hijack"])
@pytest.mark.parametrize("engine", ["c", "py"])
def test_functions_around_a_resolver_return_as_well(engine: str, returns: str) -> None:
    """Resolvers run in _start of a static program, which is hit by the native engine."""
    program = build_debian("indirect_family.c", "-O1", "-static")
    lines = (f"r:r {program}:work", f"p:s {program}:_start", f"r:t {program}:__libc_start_main")
    found = count(program, *lines, engine=engine, returns=returns)
    assert found == [FIRST + CHILD + EXECUTED + PARENT, 2, 0]
