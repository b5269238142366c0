"""Calls that do not return say why: an exception is no longjmp.  The program counts for itself."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.cli.command import uprobe
from tests.programs import cpp

WAYS = [("py", "inline"), ("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump"), ("c", "auto")]


@pytest.fixture(params=WAYS, ids="-".join)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    engine, mode = request.param
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
    monkeypatch.setenv("UPROBE_ENGINE", engine)
    return str(mode)


class Lost:
    """A consumer in Python that is told why a call is lost."""

    name = "lost"

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def handler(self, hit: Any) -> None:
        """Every call."""

    def ret_handler(self, hit: Any) -> None:
        self.reasons["returned"] += 1

    def missed(self, function: int, reason: str) -> None:
        self.reasons[reason] += 1


def ends(program: Path, functions: str, **options: Any) -> dict[str, dict[str, int]]:
    """How the calls of each function ended, once all of them have."""
    found: dict[str, dict[str, int]] = {}
    with up.Session([str(program)], output=os.devnull, **options) as session:
        for name in functions.split():
            session.probe(f"p:{name} {program}:{name}", up.Latency())
        session.run()
        for event in session.events.events:
            tallies: Counter[str] = sum((probe.tallies for probe in event.probes), Counter())
            missed = {what: n for what, n in tallies.items() if what.startswith("missed ")}
            assert tallies["entries"] == tallies["returns"] + sum(missed.values())
            found[event.name] = {"returned": tallies["returns"], **missed}
    return found


def test_calls_that_an_exception_ends_are_said_to_be(mode: str) -> None:
    """4 of 10 calls throw; one exception is thrown again by the function that caught it."""
    thrown = {"returned": 6, "missed exception": 4}
    assert ends(cpp("throws.cc"), "thrower middle catcher outer", mode=mode) == {
        "thrower": thrown,
        "middle": thrown,
        "catcher": {"returned": 9, "missed exception": 1},
        "outer": {"returned": 10},
    }


def test_exceptions_and_longjmps_are_told_apart(mode: str) -> None:
    program = cpp("leaves.cc")
    done = uprobe("run", "--", str(program))
    counts = {name: int(n) for name, n in re.findall(r"(\w+) (\d+)", done.stdout)}
    assert min(counts.values()) > 2
    left = {
        "returned": counts["returned"],
        "missed exception": counts["thrown"],
        "missed longjmp": counts["jumped"],
    }
    assert ends(program, "leave through once guarded", mode=mode) == {
        "leave": left,
        "through": left,
        "once": {"returned": 12 - counts["jumped"], "missed longjmp": counts["jumped"]},
        "guarded": {"returned": 12},
    }


def test_a_python_consumer_is_told(mode: str) -> None:
    program = cpp("leaves.cc")
    with up.Session([str(program)], output=os.devnull, mode=mode) as session:
        lost = session.probe(f"p:through {program}:through", Lost())
        session.run()
    assert lost.reasons == {"returned": 4, "exception": 4, "longjmp": 4}


def test_the_report_of_a_run_says_so(mode: str) -> None:
    program = cpp("throws.cc")
    done = uprobe("run", "--mode", mode, "-e", f"r:thrower {program}:thrower", "--", str(program))
    summary = "# uprobes/thrower: 10 entries = 6 returns + 4 missed (4 exception) + 0 pending"
    assert done.stderr.splitlines()[-1] == summary
