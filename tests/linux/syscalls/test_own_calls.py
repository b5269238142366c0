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


def lines(seed: int, **environment: str) -> list[bytes]:
    """What own_calls prints, with *environment* for us."""
    words = [
        sys.executable,
        str(HERE / "run_guest.py"),
        "0",
        "0",
        str(build("own_calls")),
        str(seed),
        str(STEPS),
    ]
    done = subprocess.run(
        words, env=os.environ | environment, capture_output=True, check=True, timeout=TIMEOUT, cwd=HERE
    )
    return done.stdout.splitlines()


def agrees(seed: int) -> None:
    """Both forms print the same."""
    own, reference = lines(seed, UPROBE_ENGINE="c"), lines(seed, UPROBE_ENGINE="c", UPROBE_DISABLE_CALLS="1")
    assert len(own) >= STEPS
    for mine, expected in zip(own, reference, strict=True):
        assert mine == expected


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_random_calls_are_answered_as_by_python(seed: int) -> None:
    agrees(seed)


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 32))
def test_more_random_calls_are_answered_as_by_python(seed: int) -> None:
    agrees(seed)


@pytest.mark.slow
def test_the_python_engine_prints_the_same() -> None:
    assert lines(5, UPROBE_ENGINE="py") == lines(5, UPROBE_ENGINE="c")
