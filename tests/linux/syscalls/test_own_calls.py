"""System calls that the CPU makes by itself are those of the handlers in Python.

The other form is the reference: random calls from a seed, by one or two threads with signals
arriving in between, print the same lines, and as many calls and instructions were made.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.linux.guests import HERE, TIMEOUT, build

pytest.importorskip("uprobe_unicorn.native._glue")
STEPS = 300


def lines(seed: int, program: str = "own_calls", **environment: str) -> list[bytes]:
    """What *program* prints, and its status (a signal may end it), with *environment* for us."""
    words = [
        sys.executable,
        str(HERE / "run_guest.py"),
        "0",
        "0",
        str(build(program)),
        str(seed),
        str(STEPS),
        str(seed + 1),
    ]
    done = subprocess.run(
        words, env=os.environ | environment, capture_output=True, check=False, timeout=TIMEOUT, cwd=HERE
    )
    return [*done.stdout.splitlines(), b"%d" % done.returncode]


def agrees(seed: int, program: str = "own_calls") -> None:
    """Both forms print the same."""
    own = lines(seed, program, UPROBE_ENGINE="c")
    reference = lines(seed, program, UPROBE_ENGINE="c", UPROBE_DISABLE_CALLS="1")
    assert len(own) >= STEPS
    for mine, expected in zip(own, reference, strict=True):
        assert mine == expected


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_random_calls_are_answered_as_by_python(seed: int) -> None:
    agrees(seed)


@pytest.mark.parametrize("seed", [2, 3])
def test_what_a_process_says_of_itself_is_as_in_python(seed: int) -> None:
    agrees(seed, "own_signals")


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 32))
def test_more_random_calls_are_answered_as_by_python(seed: int) -> None:
    agrees(seed)
    agrees(seed, "own_signals")


@pytest.mark.slow
def test_the_python_engine_prints_the_same() -> None:
    assert lines(5, UPROBE_ENGINE="py") == lines(5, UPROBE_ENGINE="c")
