"""Threads that take turns inside the emulator do so in the order of the scheduler's, which is the reference.

A program's threads lock, wait, yield, sleep, signal, poll and come and go as a seed says, and print who did
what, when, with which result. Both forms have to print the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.linux.guests import HERE, TIMEOUT, build

pytest.importorskip("uprobe_unicorn.native._glue")

PYTHON = {"UPROBE_DISABLE_CALLS": "1"}
EVENTS = ("p:work {0}:work", "r:left {0}:work n=$retval i=$insns", "p:lock {0}:in_lock")


def printed(*words: str, **environment: str) -> list[bytes]:
    """The lines of a Python script with *environment* for us."""
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"UPROBE_ENGINE": "c"} | environment,
        capture_output=True,
        check=True,
        timeout=TIMEOUT,
        cwd=HERE,
    )
    return done.stdout.splitlines()


def turns(seed: int, steps: int, **environment: str) -> list[bytes]:
    """What thread_turns prints."""
    guest = str(build("thread_turns"))
    return printed(str(HERE / "run_guest.py"), str(seed), "0", guest, str(seed), str(steps), **environment)


def agrees(seed: int, steps: int) -> None:
    """Both forms print the same."""
    own, reference = turns(seed, steps), turns(seed, steps, **PYTHON)
    assert len(own) > 4 * steps
    assert own == reference


@pytest.mark.parametrize("seed", [1, 2])
def test_threads_do_what_they_do_in_python_when_they_do_it_there(seed: int) -> None:
    agrees(seed, 60)


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_more_threads_do_what_they_do_in_python(seed: int) -> None:
    agrees(seed, 300)


@pytest.mark.slow
def test_the_python_engine_lets_them_take_the_same_turns() -> None:
    assert turns(4, 40) == turns(4, 40, UPROBE_ENGINE="py")


def traced(tmp_path: Path, mode: str, **environment: str) -> bytes:
    """The records of three events in a run of thread_turns."""
    guest, output = str(build("thread_turns")), tmp_path / "records"
    events = [word for event in EVENTS for word in ("-e", event.format(guest))]
    options = ["--mode", mode, "--seed", "3", "-o", str(output), *events]
    printed("-m", "uprobe_core.cli", "run", *options, "--", guest, "3", "90", **environment)
    return output.read_bytes()


def test_hits_of_threads_are_those_of_the_thread_that_runs(tmp_path: Path) -> None:
    """Their task, time, arguments, and how much the call itself executed."""
    reference = traced(tmp_path, "trap", **PYTHON)
    assert reference.count(b" left: ") > 20
    assert traced(tmp_path, "trap") == traced(tmp_path, "inline") == reference


@pytest.mark.parametrize("mode", ["trap", "inline"])
def test_a_thread_whose_slice_ends_at_a_return_has_returned_when_it_goes_on(
    tmp_path: Path, mode: str
) -> None:
    """A kernel records the return when the trampoline is executed; the Python engine is the reference."""
    guest, output = str(build("returns_in_turns")), tmp_path / "records"

    def records(engine: str) -> bytes:
        options = ["--mode", mode, "--seed", "2", "-o", str(output), "-e", f"r:left {guest}:add v=$retval"]
        printed("-m", "uprobe_core.cli", "run", *options, "--", guest, UPROBE_ENGINE=engine)
        return output.read_bytes()

    reference = records("py")
    assert reference.count(b" left: ") == 4 * 1000
    assert records("c") == reference
