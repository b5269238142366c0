"""One seed gives one run, byte for byte; another gives another order and the same result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import zig

pytestmark = pytest.mark.thorough


def run(folder: Path, seed: int, mode: str) -> tuple[str, bytes]:
    """Standard output and trace of four threads under *seed*."""
    program, trace = zig("calls.c"), folder / "trace"
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--seed", str(seed), "--mode", mode]
    command += ["--env", "ORDER=1", "-o", str(trace), "-e", f"p:g/work {program}:work n=%x0"]
    command += ["-e", f"r:g/back {program}:work n=$retval", "--", str(program), "threads", "500"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, trace.read_bytes()


@pytest.mark.parametrize("mode", ["inline", "trap"])
def test_one_seed_gives_the_same_output_and_trace(tmp_path: Path, mode: str) -> None:
    assert run(tmp_path, 7, mode) == run(tmp_path, 7, mode)


def test_other_seeds_give_other_orders_and_the_same_result(tmp_path: Path) -> None:
    outputs = [run(tmp_path, seed, "inline")[0].split() for seed in (1, 2, 3)]
    assert len({order for order, _sum in outputs}) == 3
    assert {found for _order, found in outputs} == {str(4 * sum(range(500)))}
