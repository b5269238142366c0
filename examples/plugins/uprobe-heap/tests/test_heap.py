"""The heap profiler: the rules for every consumer, and a program that says what it leaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from uprobe_heap import HeapConsumer

from uprobe_core.testing.compliance import ConsumerCompliance

HERE = Path(__file__).parent
RUN = (sys.executable, "-m", "uprobe_core.cli", "run")
EVENTS = (
    "r:malloc ./leaks:malloc block=$retval size=$arg1:u64",
    "r:calloc ./leaks:calloc block=$retval count=$arg1:u64 size=$arg2:u64",
    "r:realloc ./leaks:realloc block=$retval old=$arg1 size=$arg2:u64",
    "p:free ./leaks:free block=$arg1",
)


def profile(tmp_path: Path, *args: str, consumer: str = "heap") -> dict[str, Any]:
    """What the report of a run of ./leaks holds."""
    report = tmp_path / "report.json"
    events = [word for event in EVENTS for word in ("-e", event)]
    command = [
        sys.executable,
        "-m",
        "uprobe_core.cli",
        "run",
        "-C",
        consumer,
        *events,
        "--report",
        str(report),
    ]
    subprocess.run([*command, "--", "./leaks", *args], cwd=HERE, check=True, timeout=60)
    found: dict[str, Any] = json.loads(report.read_text())["consumers"][0]["found"]
    return found


def by_function(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Bytes and blocks by the function that allocated."""
    rows: dict[str, tuple[int, int]] = {}
    for row in found["stacks"]:
        names = [name.split("+")[0] for name in row["stack"]]
        function = next(name for name in names if name in {"leaky", "grows", "main"})
        size, blocks = rows.get(function, (0, 0))
        rows[function] = size + row["bytes"], blocks + row["blocks"]
    return rows


class TestHeap(ConsumerCompliance):
    """What every consumer must do."""

    @pytest.fixture
    def plugin_class(self) -> type:
        return HeapConsumer

    @pytest.fixture
    def options(self) -> dict[str, str]:
        return {"block": "a", "size": "a"}

    def test_what_a_forked_process_found_is_added_once(self, *_given: Any, **_named: Any) -> None:
        """Not as the suite asks: a block that both processes have is two; the test of a fork is below."""


def test_what_is_left_is_what_the_program_says_of_itself(tmp_path: Path) -> None:
    found = profile(tmp_path)
    assert by_function(found) == {"leaky": (600, 6), "grows": (800, 1)}
    assert found["bytes"] == 1400


def test_a_forked_child_adds_what_it_has_left_itself(tmp_path: Path) -> None:
    assert by_function(profile(tmp_path, "fork")) == {"leaky": (600, 6), "grows": (800, 1), "main": (1000, 1)}


def test_the_peak_counts_what_was_there_at_once(tmp_path: Path) -> None:
    """700 of leaky; then 500 of tidy at a time; then 800 of grows."""
    assert profile(tmp_path)["peak"] == 1500


def test_an_event_without_the_arguments_is_refused_with_what_it_needs() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "uprobe_core.cli",
            "run",
            "-C",
            "heap",
            "-e",
            "p:free ./leaks:free",
            "--",
            "./leaks",
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "heap needs an argument 'block' of the event free" in done.stderr
    assert "block=$arg1" in done.stderr
