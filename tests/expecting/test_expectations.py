"""Expectations of real runs: what they speak of, on both engines and over processes; how they are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import uprobe_core as up
from tests.programs import ROOT, either
from uprobe_core.cli import main
from uprobe_core.errors import UsageError

LOOP = str(ROOT / "examples" / "loop")
WORK = ["-e", f"p:work {LOOP}:work a=%x0", "-e", f"r:ret {LOOP}:work rv=$retval"]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """``run(*options)`` over ``loop 3``: the status and what failed, as standard error has it."""

    def call(*options: str, argv: tuple[str, ...] = (LOOP, "3")) -> tuple[int, str]:
        capfd.readouterr()
        status = main(["run", *WORK, "-C", "count:event=work", *options, "--", *argv])
        return status, "".join(
            line
            for line in capfd.readouterr().err.splitlines(keepends=True)
            if "uprobe: " in line or line.startswith("hint:")
        )

    return call


# loop N calls work(i, ...) for i from 0 to N - 1 and says the sum of what came back: 1, 2, 4 of 3.
@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize(
    "text",
    [
        "work.hits == 3",
        "uprobes/work.hits == 3",
        "ret.returns == 3 && ret.entries == 3 && ret.missed == 0 && ret.pending == 0",
        "work.hits(a == 2) == 1",
        "work.sum(a) == 3 && work.min(a) == 0 && work.max(a) == 2 && work.avg(a) == 1",
        "ret.sum(rv) == 7",
        "ret.latency.count == 3 && ret.latency.max > 0 && ret.latency.p50 <= ret.latency.max",
        "count == 3",
        "count.work == 3",
    ],
)
def test_an_expectation_that_holds_leaves_the_programs_status(run: Run, engine: str, text: str) -> None:
    assert run("--engine", engine, "--expect", text) == (0, "")


def test_one_that_does_not_hold_makes_it_123_and_is_said_with_what_was_found(run: Run) -> None:
    status, said = run(
        "--expect", "work.hits == 3", "--expect", "work.hits == 4", "--expect", "ret.sum(rv) < 7"
    )
    assert status == 123
    assert said.splitlines() == [
        "uprobe: expectation failed: work.hits == 4: work.hits is 3",
        "uprobe: expectation failed: ret.sum(rv) < 7: ret.sum(rv) is 7",
    ]


def test_a_run_that_a_limit_ended_keeps_its_own_status(run: Run) -> None:
    status, said = run("--max-insns", "100", "--expect", "work.hits == 4")
    assert status == 124
    assert "expectation failed" in said


def test_the_mean_of_nothing_is_no_answer(run: Run) -> None:
    status, said = run("--expect", "work.avg(a) < 100", argv=(LOOP, "0"))
    assert status == 123
    assert "work.avg(a) is not known: there was no hit" in said


def test_a_latency_of_no_call_is_no_answer(run: Run) -> None:
    status, said = run("--expect", "ret.latency.p99 < 1s", argv=(LOOP, "0"))
    assert status == 123
    assert "no call returned" in said


@pytest.mark.parametrize(
    "text", ["nope.hits == 1", "work.hats == 1", "work.sum(zz) == 1", "work.latency.p98 < 1", "hist > 1"]
)
def test_what_the_run_cannot_find_is_refused_before_it(run: Run, text: str) -> None:
    status, said = run("--expect", text)
    assert status == 2
    assert "uprobe: error: " in said


def test_check_refuses_what_run_refuses(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *WORK, "--expect", "work.sum(zz) == 1", "--", LOOP]) == 2
    assert "expectations: uprobe: error: " in capfd.readouterr().err


def test_an_event_that_is_never_hit_can_be_an_error(run: Run) -> None:
    assert run("--require-hits") == (0, "")
    status, said = run("--require-hits", argv=(LOOP, "0"))
    assert status == 123
    assert said.count("expectation failed: uprobes/") == 2


def test_a_report_holds_outcomes_and_is_the_next_runs_baseline(run: Run, tmp_path: Path) -> None:
    base = str(tmp_path / "base.json")
    assert run("--expect", "work.sum(a) > 0", "--report", base)[0] == 0
    (outcome,) = json.loads(Path(base).read_text())["expectations"]
    assert outcome["held"]
    assert outcome["found"] == {"work.sum(a)": 3}
    same = [
        "--baseline",
        base,
        "--expect",
        "work.sum(a) <= baseline * 1.05",
        "--expect",
        "work.hits == baseline",
    ]
    assert run(*same, "--expect", "count == baseline") == (0, "")
    status, said = run(*same, argv=(LOOP, "4"))
    assert status == 123
    assert "work.sum(a) is 6, the baseline is 3" in said


def test_a_baseline_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]")
    assert run("--baseline", str(other), "--expect", "work.hits == baseline")[0] == 2
    assert run("--baseline", str(tmp_path / "none"), "--expect", "work.hits == baseline")[0] == 2
    assert run("--expect", "work.hits == baseline")[0] == 2


def test_outcomes_are_junit_xml(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    run("--expect", "work.hits == 3", "--expect", 'work.hits(comm == "<&>") == 4', "--junit-xml", str(path))
    suite = ET.parse(path).getroot()[0]
    assert suite.attrib | {"name": ""} == {
        "name": "",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    assert [(case.get("name"), len(case)) for case in suite] == [
        ("the program ends well", 0),
        ("work.hits == 3", 0),
        ('work.hits(comm == "<&>") == 4', 1),
    ]


def test_a_session_has_outcomes_and_raises_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with up.Session([LOOP, "3"], expect=["work.hits == 3", "work.hits == 4"]) as session:
        session.probe(f"p:work {LOOP}:work a=%x0", up.Count())
        assert session.run().code == 0
    assert [outcome.held for outcome in session.outcomes] == [True, False]


def test_what_forked_children_do_counts() -> None:
    program = str(either(ROOT / "tests" / "native" / "programs" / "family.c"))
    action = up.Count()
    with up.Session([program], expect=["f.hits(common_pid > 0) >= 1"], output=os.devnull) as session:
        session.probe(f"p:f {program}:work", action)
        session.run()
    (outcome,) = session.outcomes
    assert outcome.held
    assert list(outcome.found.values()) == [action.result()]


def test_a_session_refuses_a_bad_one() -> None:
    with up.Session([LOOP, "3"], expect=["work ="]) as session, pytest.raises(UsageError, match="work ="):
        session.run()
