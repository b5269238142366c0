"""Where each instruction has a probe, gdb goes the same way, and the probes are hit as without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.debugging.visits import environment, visit
from tests.programs import GUEST, either

WAYS = ["", "--engine c --mode trap", "--engine c --mode jump", "--engine py --mode trap", "--engine py"]
STEPS = [*["stepi", "print/x $pc"] * 4, "reverse-stepi", "print/x $pc", "break depth"]
STEPS += ["continue", "print/x $pc", "reverse-continue", "print/x $pc", "delete", *["continue"] * 3]


@pytest.fixture(scope="module")
def program() -> Path:
    return either(GUEST / "visited.c")


@pytest.fixture(scope="module")
def expected(program: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What gdb sees where nothing is probed."""
    return visit(program, stop_in(program), STEPS, tmp_path_factory.mktemp("plain"))[0]


def stop_in(program: Path) -> list[str]:
    return ["--stop-at", f"{program}:parse#3", str(program)]


@pytest.mark.parametrize("way", WAYS)
def test_steps_and_records_are_those_without(
    way: str, program: Path, expected: list[Any], tmp_path: Path
) -> None:
    events = [word for at in range(0, 64, 4) for word in ("-e", f"p:at{at} {program}:parse+{at}")]
    words = [*way.split(), *events, "-e", f"p:deep {program}:depth"]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words, str(program)]
    alone = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    seen, ended = visit(program, [*words, *stop_in(program)], STEPS, tmp_path)
    assert seen == expected
    assert ended.records == [line for line in alone.stderr.splitlines() if "] ....." in line]
