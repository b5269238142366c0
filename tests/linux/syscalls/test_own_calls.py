"""System calls that the CPU makes by itself are those of the handlers in Python.

The other form is the reference: random calls from a seed, by one or two threads with signals
arriving in between, print the same lines, and as many calls and instructions were made.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from uprobe_linux.syscalls import table
from uprobe_linux.syscalls.numbers import NUMBERS
from uprobe_linux.syscalls.ordering import LOCAL
from uprobe_linux.syscalls.own import OWN

from tests.linux.guests import HERE, TIMEOUT, build
from tests.programs import ROOT

_glue = pytest.importorskip("uprobe_unicorn.native._glue")
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


def test_each_call_of_the_table_has_a_form_in_c_and_a_handler_in_python() -> None:
    calls, handlers = _glue.Calls(), table.load()
    assert all(calls.allow(NUMBERS[name], True) for name in OWN)
    assert all(NUMBERS[name] in handlers for name in OWN)


def test_no_call_has_a_form_in_c_alone() -> None:
    calls = _glue.Calls()
    assert {number for number in range(512) if calls.allow(number, True)} == {NUMBERS[name] for name in OWN}


def test_what_other_processes_can_tell_is_ordered_in_both_forms() -> None:
    source = (ROOT / "backends/uprobe_unicorn/native/calls/own_calls.c").read_text()
    table = source[source.index("ordered[CALL_NUMBERS]") :].partition("};")[0]
    in_c = {int(number) for number in re.findall(r"\[(\d+)\] = true", table)}
    assert in_c == {NUMBERS[name] for name in OWN - LOCAL}
