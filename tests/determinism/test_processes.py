"""One program and seed give the same bytes however the host runs its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.programs import zig

WAYS = {
    "inline": ("c", "inline", {}),
    "inline, on one processor": ("c", "inline", {}),
    "trap": ("c", "trap", {}),
    "jump": ("c", "jump", {}),
    "inline, no shortcuts": ("c", "inline", {"UPROBE_DISABLE_SHORTCUTS": "1"}),
    "python": ("py", "trap", {"UPROBE_ENGINE": "py"}),
}
"""Engine, mode and environment of a run."""
QUICK = ("inline", "inline, on one processor", "trap")


def run(way: str, seed: int, folder: Path) -> tuple[bytes, bytes]:
    """What the program prints, and the trace of its work."""
    engine, mode, environment = WAYS[way]
    program, trace = zig("crowd.c"), folder / way.replace(" ", "_").replace(",", "")
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--engine", engine, "--mode", mode]
    command += ["--seed", str(seed), "-o", str(trace), "-e", f"p:g/work {program}:work n=%x0"]
    settings = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **environment}
    first = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [*command, "--", str(program)],
        capture_output=True,
        check=True,
        timeout=120,
        env=settings,
        preexec_fn=(lambda: os.sched_setaffinity(0, {first})) if "one processor" in way else None,
    )
    return done.stdout, trace.read_bytes()


def outcomes(ways: tuple[str, ...], folder: Path) -> set[tuple[bytes, bytes]]:
    """Those of all *ways*, which run at the same time and so disturb each other."""
    zig("crowd.c")
    with ThreadPoolExecutor(len(ways)) as pool:
        return set(pool.map(lambda way: run(way, 0, folder), ways))


def test_processes_see_each_other_in_one_order(tmp_path: Path) -> None:
    """Ids, who ends first, how much a read gets, where a signal arrives, whose line and ticket is next."""
    ((printed, trace),) = outcomes(QUICK, tmp_path)
    assert printed.count(b"job") == printed.count(b"ended") == 10
    assert printed.count(b"line") == 20
    assert printed.count(b"tickets") == 3
    assert trace.count(b" work: ") > 100


@pytest.mark.thorough
@pytest.mark.slow
def test_every_way_gives_the_same_bytes(tmp_path: Path) -> None:
    assert len(outcomes(tuple(WAYS), tmp_path)) == 1
