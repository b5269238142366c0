"""Recorded kernel runs: what was recorded, and what a session makes of the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.expectations import KERNELS_BUFFERS, TIMED
from tests.programs import ROOT, debian, expand
from tests.warm_python import python

DATA = ROOT / "tests" / "data" / "kernel"
TRACES = {"6.12": DATA / "traces", "7.3": DATA / "traces-7.3"}
"""By release: 6.12.117 and 7.3.4."""
_TRACE_LINE = re.compile(r"^\s*(?P<comm>.+)-(?P<pid>\d+)\s+\[\d+\] \S+\s+\d+\.\d+: (?P<rest>.*)$")


@dataclass(frozen=True)
class Result:
    """What came out of a run, recorded or replayed.

    :param lines: trace text without task, CPU, flags and time
    :param tasks: the same lines, separately for each task, in no order of tasks
    :param profile: (path, event, hits)
    """

    lines: tuple[str, ...]
    tasks: tuple[tuple[str, ...], ...]
    stdout: str
    rc: int
    profile: tuple[tuple[str, str, int], ...]
    stderr: str = ""


def trace_lines(text: str) -> tuple[str, ...]:
    """The part of each trace line that does not depend on when and where it was recorded."""
    return tuple(match["rest"] for match in map(_TRACE_LINE.match, text.splitlines()) if match is not None)


def by_task(text: str) -> tuple[tuple[str, ...], ...]:
    """The lines of each task, sorted so that the order between tasks does not matter."""
    tasks: dict[str, list[str]] = {}
    for match in filter(None, map(_TRACE_LINE.match, text.splitlines())):
        tasks.setdefault(match["pid"], []).append(match["rest"])
    return tuple(sorted(map(tuple, tasks.values())))


def profile_rows(text: str) -> tuple[tuple[str, str, int], ...]:
    """uprobe_profile as rows; anything behind the hits is ours."""
    rows = (line.split() for line in text.splitlines())
    return tuple((row[0], row[1], int(row[2])) for row in rows)


class Case:
    """One recorded run."""

    def __init__(self, name: str, release: str = "6.12") -> None:
        self.name, self.release = name, release
        self.folder = TRACES[release] / name
        self.case: dict[str, Any] = json.loads((self.folder / "case.json").read_text())

    def __repr__(self) -> str:
        return self.name

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="surrogateescape") if path.exists() else ""

    @property
    def recorded(self) -> Result:
        return Result(
            trace_lines(self.text("trace")),
            by_task(self.text("trace")),
            self.text("stdout"),
            int(self.text("rc")),
            profile_rows(self.text("uprobe_profile")),
        )

    @property
    def errnos(self) -> list[str]:
        """The errno name of each line written to uprobe_events, "0" when it was accepted."""
        rows = (line.split("\t") for line in self.text("errnos.tsv").splitlines())
        return [row[2] for row in rows if row[3].endswith("/uprobe_events")]

    @property
    def program(self) -> Path:
        """The binary, compiled with the recorded command line."""
        return debian(self.case["compile"])

    @property
    def events(self) -> list[str]:
        return [expand(line, self.program) for line in self.case["uprobe_events_template"]]

    @property
    def argv_and_filter(self) -> tuple[list[str], str | None]:
        """The command as an argument vector, and the pipe that follows it, if any."""
        command, _, pipe = self.case["command"].partition("|")
        return command.split(), pipe.strip() or None


def _replay(case: Case, options: tuple[tuple[str, str], ...], folder: str) -> tuple[Result, tuple[str, ...]]:
    if case.name in TIMED and os.environ.get("UPROBE_ENGINE") == "py":
        pytest.skip(
            "40 ms of work until its last timer are millions of hits, too many for the reference engine"
        )
    argv, pipe = case.argv_and_filter
    work = Path(folder)
    job = {
        "argv": argv,
        "folder": str(case.program.parent),
        "events": case.events,
        "writes": case.case["writes"],
        "options": dict(options),
        "trace": str(work / "trace"),
        "profile": str(work / "profile"),
        "answers": str(work / "answers"),
    }
    (work / "job.json").write_text(json.dumps(job))
    done = python(str(Path(__file__).with_name("replay.py")), str(work / "job.json"))
    stdout = done.stdout
    if pipe is not None:
        stdout = subprocess.run(
            ["sh", "-c", pipe], input=stdout, capture_output=True, check=True, encoding="utf-8"
        ).stdout
    if not (work / "answers").exists():
        pytest.fail(f"{case.name} did not run:\n{done.stderr}", pytrace=False)
    trace = (work / "trace").read_text(errors="surrogateescape")
    result = Result(
        trace_lines(trace),
        by_task(trace),
        stdout,
        done.returncode if pipe is None else 0,
        profile_rows((work / "profile").read_text()),
        done.stderr,
    )
    return result, tuple(json.loads((work / "answers").read_text()))


@pytest.fixture
def replay(tmp_path: Path) -> Any:
    """Run a case with options of a session; returns (Result, errno names)."""

    def run(case: Case, **options: str) -> tuple[Result, tuple[str, ...]]:
        return _replay(case, tuple(sorted(options.items())), str(tmp_path))

    return run


@pytest.fixture
def unprobed() -> Any:
    """The recorded result of the case called so."""
    return lambda name: Case(name).recorded


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, releases in (("case", ("6.12",)), ("recording", tuple(TRACES))):
        if fixture in metafunc.fixturenames:
            left_out = KERNELS_BUFFERS if fixture == "case" else ()
            names = [(release, name) for release in releases for name in _names(release)]
            cases = [Case(name, release) for release, name in names if name not in left_out]
            ids = [f"{case.release}-{case.name}" if len(releases) > 1 else case.name for case in cases]
            metafunc.parametrize(fixture, cases, ids=ids)


def _names(release: str) -> list[str]:
    return sorted(path.name for path in TRACES[release].iterdir() if (path / "case.json").exists())
