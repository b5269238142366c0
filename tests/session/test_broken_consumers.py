"""Consumers that answer, raise and end in the worst ways: named, in one line, and the run goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import EXAMPLES, LOOP, installed
from uprobe_core import Session
from uprobe_core.cli.failures import guarded
from uprobe_core.discovery.contracts import blaming


class Evil:
    """A vote that can neither be compared nor shown."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise SystemExit(1)

    def __index__(self) -> int:
        raise SystemExit(2)

    def __repr__(self) -> str:
        raise SystemExit(3)


def run(consumer: Any, capfd: pytest.CaptureFixture[str]) -> str:
    """What is said in a run with *consumer*, which ends as the program does."""
    with Session([str(LOOP), "9"]) as session:
        consumer.session = session
        session.probe(f"p:work {LOOP}:work", consumer)
        assert session.run().code == 0
    return capfd.readouterr().err


@pytest.mark.parametrize("engine", ["c", "py"])
def test_a_vote_that_cannot_even_be_looked_at_is_no_vote(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
    monkeypatch.setenv("UPROBE_ENGINE", engine)

    class Votes:
        name = "votes"

        def handler(self, _hit: Any) -> Any:
            return Evil()

    said = run(Votes(), capfd)
    assert (
        "consumer 'votes' of uprobes/work raised TypeError: handler returned a Evil, which is no Hand" in said
    )
    assert "Traceback" not in said


def test_a_session_is_not_closed_by_what_runs_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    """The machine's memory would go while it runs."""

    class Closes:
        name = "closes"
        session: Session

        def handler(self, _hit: Any) -> None:
            self.session.close()

    assert "raised RuntimeError: a session is not closed by what runs in it" in run(Closes(), capfd)


def test_what_a_consumer_says_is_one_line_and_can_be_read(capfd: pytest.CaptureFixture[str]) -> None:
    class Shouts:
        name = "shouts"

        def handler(self, _hit: Any) -> None:
            raise ValueError("\x1b[31m\nuprobe: error: fake \udc80" + "x" * 100_000)

    said = run(Shouts(), capfd)
    assert r"raised ValueError: \x1b[31m\nuprobe: error: fake \udc80xxx" in said
    assert len(said) < 2000


def test_ctrl_c_says_who_was_asked_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    def report() -> int:
        with blaming("third", "report"):
            raise KeyboardInterrupt

    assert guarded(report, debug=False) == 130
    assert capsys.readouterr().err == "uprobe: interrupted while consumer 'third' was to report\n"


PLUGIN = """
import os

class Finalized:
    def __del__(self): os._exit(9)

class C:
    name = "third"

    def __init__(self, options): pass
    def attach(self, event, context): return self
    def report(self): return "no report"
    def handler(self, hit): Finalized()
"""


def test_finalizers_and_reports_are_named_as_the_user_called_them(tmp_path: Path) -> None:
    env = installed(tmp_path, "uprobe.consumers", "third_consumer:C", PLUGIN)
    report, out = tmp_path / "report.json", tmp_path / "out"
    options = [
        "-C",
        "third",
        "-C",
        "trace",
        "--report",
        str(report),
        "-o",
        str(out),
        "-e",
        "p:work ./loop:work",
    ]
    found = subprocess.run(
        [sys.executable, "-m", "uprobe_core.cli", "run", *options, "--", "./loop", "9"],
        cwd=EXAMPLES,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 125
    assert (
        found.stderr.count("warning: consumer 'third' raised RuntimeError: os._exit() ends the process") == 1
    )
    assert "error: consumer 'third' failed to report: AttributeError" in found.stderr
    assert "Traceback" not in found.stderr
    assert out.read_text().count(" work: ") == 9
    assert report.exists()
