"""Executed code of a run that was stopped, stepped and gone back in is that of one that nobody looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.debugging.visits import environment, visit
from tests.programs import GUEST, either

OTHERS = ["--engine c --mode trap", "--engine c --mode jump", "--engine py"]
WAYS = ["--engine py --mode trap", *(pytest.param(way, marks=pytest.mark.thorough) for way in OTHERS)]
STEPS = ["stepi 3", "watch total", "continue", "stepi", "reverse-continue", "delete", "break depth if n == 1"]
STEPS += ["continue", "stepi 2", "catch syscall", "continue", "delete", "next", "step", "stepi 5", "continue"]


@pytest.mark.parametrize("way", WAYS)
def test_lines_are_counted_as_if_nobody_had_looked(way: str, tmp_path: Path) -> None:
    program = either(GUEST / "visited.c")
    words = [*way.split(), "-e", f"p:ev {program}:parse", "--coverage"]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words, "plain.info", str(program)]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False, timeout=60)
    visit(program, ["--stop-at", "ev#3", *words, "seen.info", str(program)], STEPS, tmp_path)
    plain = (tmp_path / "plain.info").read_text().splitlines()
    assert "FNDA:10,parse" in plain
    assert (tmp_path / "seen.info").read_text().splitlines() == plain
