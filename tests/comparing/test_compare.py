"""``uprobe compare``: two files of records, two reports, two set-ups; and what it says of anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import LOOP, uprobe

EVENT = f"p:work {LOOP}:work a=%x0"


def recorded(path: Path, *options: str, count: str = "3") -> str:
    words = ["run", "-e", EVENT, *options, "--", str(LOOP), count]
    assert uprobe(*words).returncode == 0
    return str(path)


@pytest.fixture
def traces(tmp_path: Path) -> tuple[str, str]:
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    return (
        recorded(a, "--format", "jsonl", "-o", str(a)),
        recorded(b, "--format", "jsonl", "-o", str(b), count="4"),
    )


def test_a_run_compared_with_itself_has_no_difference(traces: tuple[str, str]) -> None:
    done = uprobe("compare", traces[0], traces[0])
    assert (done.returncode, done.stdout) == (0, "no difference\n")


def test_events_that_were_hit_more_often_and_the_first_difference_are_shown(traces: tuple[str, str]) -> None:
    done = uprobe("compare", *traces)
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1] == ["+1", "3", "4", "uprobes/work"]
    assert done.stdout.splitlines()[2] == "task 1 (loop) parts at its hit 4:"
    assert [line for line in done.stdout.splitlines() if line.startswith("  -")] == ["  - (no further hit)"]
    assert [line for line in done.stdout.splitlines() if line.startswith("  +")] == [
        "  + uprobes/work entry a=3"
    ]


def test_the_same_as_data(traces: tuple[str, str]) -> None:
    found: Any = json.loads(uprobe("compare", "--json", *traces).stdout)
    assert found["counts"] == [{"name": "uprobes/work", "first": 3, "second": 4}]
    (parting,) = found["partings"]
    assert (parting["task"], parting["index"], parting["first"]) == (1, 3, [])


def test_reports_are_compared_by_what_was_counted(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    recorded(a, "-C", "count:by=a", "--report", str(a))
    recorded(b, "-C", "count:by=a", "--report", str(b), count="4")
    done = uprobe("compare", str(a), str(b))
    assert done.returncode == 1
    rows = {" ".join(line.split()[3:]): line.split()[:3] for line in done.stdout.splitlines()[1:]}
    assert rows == {"uprobes/work hits": ["+1", "3", "4"], "count by a uprobes/work 3": ["+1", "0", "1"]}


def test_two_set_ups_are_run(tmp_path: Path) -> None:
    paths = []
    for name, count in (("a", 3), ("b", 4)):
        text = f'events = ["{EVENT}"]\n[target]\nargv = ["{LOOP}", "{count}"]\n'
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(text)
    assert uprobe("compare", str(paths[0]), str(paths[0])).stdout == "no difference\n"
    assert "+1" in uprobe("compare", *map(str, paths)).stdout


def test_a_set_up_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[target\n")
    done = uprobe("compare", str(broken), str(broken))
    assert done.returncode == 125
    assert f"the run of '{broken}' failed with status 125" in done.stderr


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello\n")
    done = uprobe("compare", str(text), str(text))
    assert done.returncode == 2
    assert "neither a report nor a file of records nor a set-up" in done.stderr
