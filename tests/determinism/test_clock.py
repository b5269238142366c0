"""Time is work: known counts, and the same bytes whatever executes the program and looks at it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import pytest

from tests.programs import zig

pytestmark = pytest.mark.thorough

WAYS = {
    "inline": ("c", "inline", {}),
    "jump": ("c", "jump", {}),
    "trap": ("c", "trap", {}),
    "inline, no shortcuts": ("c", "inline", {"UPROBE_DISABLE_SHORTCUTS": "1"}),
    "trap, no shortcuts": ("c", "trap", {"UPROBE_DISABLE_SHORTCUTS": "1"}),
    "python, inline": ("py", "inline", {}),
    "python, trap": ("py", "trap", {}),
    "all python, inline": ("py", "inline", {"UPROBE_ENGINE": "py"}),
    "all python, trap": ("py", "trap", {"UPROBE_ENGINE": "py"}),
}
"""Engine, mode and environment of a run."""


def run(way: str, *arguments: str, status: int = 0) -> bytes:
    """What `uprobe run` writes, the program seeing none of our environment."""
    engine, mode, environment = WAYS[way]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--engine", engine, "--mode", mode]
    settings = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **environment}
    command += ["--no-inherit-env", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=settings)
    assert done.returncode == status, done.stderr
    return done.stderr


@cache
def spins(way: str, *arguments: str) -> bytes:
    program = zig("spin.c")
    events = ("-e", f"p:g/in {program}:spin n=%x0", "-e", f"r:g/out {program}:spin i=$insns l=$latency")
    return run(way, *events, "--format", "jsonl", "--", str(program), *arguments)


def returns(lines: bytes) -> list[tuple[int, int]]:
    """($insns, $latency) of each return."""
    records = [json.loads(line) for line in lines.splitlines()]
    return [(r["args"]["i"], r["args"]["l"]) for r in records if r["type"] == "return"]


@pytest.mark.parametrize("way", WAYS)
def test_a_call_takes_what_it_executes(way: str) -> None:
    """spin(n) is 3 * n + 4 instructions by construction."""
    counts = (1, 10, 100_000, 3_000_000)
    assert returns(spins(way, *map(str, counts))) == [(3 * n + 4, 3 * n + 4) for n in counts]


THREADS = ("threads", "5000", "70", "40000", "1")


@pytest.mark.parametrize("way", WAYS)
def test_insns_leave_out_what_other_threads_executed_and_latency_does_not(way: str) -> None:
    found = returns(spins(way, *THREADS))
    assert sorted(insns for insns, _ in found) == sorted(3 * int(n) + 4 for n in THREADS[1:])
    assert all(latency >= insns for insns, latency in found)
    assert any(latency > insns for insns, latency in found)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "inline"])
@pytest.mark.parametrize("arguments", [("1", "10", "100000", "3000000"), THREADS], ids=["one", "threads"])
def test_every_way_writes_the_same_bytes(way: str, arguments: Sequence[str]) -> None:
    assert spins(way, *arguments) == spins("inline", *arguments)


@pytest.mark.parametrize("way", WAYS)
def test_a_probe_costs_the_program_no_time(way: str) -> None:
    """The time of one call, with probes in the middle of another's loop and without."""
    program = zig("calls.c")
    plain = run(
        "inline", "-e", f"p:g/mark {program}:mark", "--format", "jsonl", "--", str(program), "spin", "300"
    )
    more = (
        "-e",
        f"p:g/work {program}:work",
        "-e",
        f"r:g/back {program}:work",
        "-e",
        f"p:g/in {program}:work+8",
    )
    probed = run(
        way, "-e", f"p:g/mark {program}:mark", *more, "--format", "jsonl", "--", str(program), "spin", "300"
    )
    times = [json.loads(line)["timestamp_ns"] for line in plain.splitlines()]
    records = [json.loads(line) for line in probed.splitlines()]
    assert len(times) == 3
    assert [r["timestamp_ns"] for r in records if r["event"] == "g/mark"] == times


def test_the_instruction_limit_ends_the_run_at_the_same_instruction_everywhere() -> None:
    """The second instruction of a loop of three is reached as often."""
    program = zig("spin.c")
    place = f"p:g/loop {program}:spin+12 n=%x0"
    ends = {
        run(way, "--max-insns", "5000", "-e", place, "--", str(program), "5000", status=124) for way in WAYS
    }
    assert len(ends) == 1
    assert 1000 < ends.pop().count(b"loop:") < 1666
