"""Records of processes that run at the same time: in the order of their clock, the same in every run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import zig
from tests.warm_python import PATHS


def run(output: Path, engine: str, form: str) -> list[bytes]:
    """The lines of a run of family.c."""
    program = zig("family.c")
    with up.Session([str(program)], output=str(output), engine=engine, format=form) as session:
        session.probe(f"p:work {program}:work n=%x0", Trace(session))
        assert session.run().shell_status == 0
    return output.read_bytes().splitlines()


class Trace:
    """Records every hit, as ``-C trace`` does."""

    name = "trace"
    writes_records = True
    merge = None

    def __init__(self, session: up.Session) -> None:
        self._session = session

    def handler(self, hit: up.Hit) -> None:
        self._session.record(hit, hit.event)


@pytest.mark.parametrize("engine", ["py", "auto"])
def test_a_process_that_was_slower_on_the_host_stands_where_its_clock_says(
    tmp_path: Path, engine: str
) -> None:
    records = [json.loads(line) for line in run(tmp_path / "records", engine, "jsonl")]
    times = [record["timestamp_ns"] for record in records]
    assert times == sorted(times)
    assert [record["args"]["n"] for record in records] == [1, 3, 2, 4]


@pytest.mark.parametrize("form", ["tracefs", "jsonl"])
def test_three_runs_give_the_same_bytes(tmp_path: Path, form: str) -> None:
    first, *others = [run(tmp_path / str(number), "auto", form) for number in range(3)]
    assert len(first) == 4
    assert others == [first, first]


@pytest.mark.parametrize("form", ["tracefs", "jsonl"])
def test_the_file_can_be_read_while_a_program_that_has_forked_waits(tmp_path: Path, form: str) -> None:
    program, output = zig("waits.c"), tmp_path / "records"
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--format", form, "-o", str(output)]
    command += ["-e", f"p:work {program}:work n=%x0", "--", str(program)]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=settings) as run:
        assert run.stdin is not None
        deadline = time.monotonic() + 60
        while not output.exists() or output.read_bytes().count(b"work") < 3:
            assert time.monotonic() < deadline, output.read_bytes()
            time.sleep(0.05)
        run.stdin.write(b"x")
        run.stdin.close()
        assert run.wait(60) == 0
    assert output.read_bytes().count(b"work") == 4
