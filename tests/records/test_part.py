"""FILE.part: what stands in it while nobody can read FILE, and when it goes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import EXAMPLES, uprobe
from tests.sandbox.attacks import attack, program
from tests.warm_python import PATHS
from uprobe_core.records.part import Part
from uprobe_core.testing.compliance.writer import ENTRY, record

pytest.importorskip("pyarrow", reason="needs pyarrow, the extra uprobe[parquet]")
LOOP = EXAMPLES / "loop"


class Lines:
    """A writer of anything."""

    def __init__(self, stream: Any) -> None:
        self.write = lambda record: stream.write(str(record.values[1]).encode())


def run(folder: Path, *words: str, status: int = 0) -> str:
    """Standard error of a run that writes Parquet to folder/out."""
    output = ("-o", str(folder / "out"), "--format", "parquet", "-e", f"p:work {LOOP}:work n=%x0:u64")
    done = uprobe("run", *output, *words, "--", str(LOOP), "3", cwd=folder)
    assert done.returncode == status, done.stderr
    return done.stderr


def test_nothing_stands_beside_a_complete_file(tmp_path: Path) -> None:
    run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_it_stays_where_the_file_is_not_complete(tmp_path: Path) -> None:
    part = Part(str(tmp_path / "out"), lambda fd: io.FileIO(fd, "wb"), Lines)
    part.write(record(ENTRY, (1, "one")))
    part.close(complete=False)
    assert (tmp_path / "out.part").read_text() == "one"


def test_a_link_that_a_program_may_have_planted_beside_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "out.part").symlink_to(tmp_path / "victim")
    assert "is a link to" in run(tmp_path, status=2)
    assert (tmp_path / "victim").read_text() == "precious"


def test_the_program_cannot_change_it(tmp_path: Path) -> None:
    target = program("plant")
    words = ("-o", "out", "--format", "parquet", "-e", f"p:work {target}:marked n=%x0:u64")
    ended = attack(tmp_path, *words, "--", str(target), "out.part", timeout=30)
    assert (ended.status, ended.out) == (0, "out.part open 30, rename 16, unlink 16\n")


def test_a_killed_run_leaves_json_lines(tmp_path: Path) -> None:
    target = program("records")
    words = ["-o", "out", "--format", "parquet", "-e", f"p:g/work {target}:work n=%x0:u64", "--", str(target)]
    run = subprocess.Popen(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words, "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
    )
    deadline = time.monotonic() + 30
    part = tmp_path / "out.part"
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    records = [json.loads(line) for line in part.read_text().split("\n")[:-1]]
    assert [record["args"]["n"] for record in records] == list(range(1, len(records) + 1))
    assert records
