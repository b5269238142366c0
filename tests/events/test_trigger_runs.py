"""Triggers in a run do what they did in a recorded run (Linux 6.12.117, Debian, arm64).

A kernel calls the event that was enabled last first, and a trigger enables its
own event softly when it is written, so events with triggers come last.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.events.support import DATA, load
from tests.programs import debian
from uprobe_core.run_setup import ConsumerUse
from uprobe_core.session import Session

RUNS = load("trigger_runs.json")
COMPILE = "aarch64-linux-gnu-gcc -O1 -g0 -static -no-pie -pthread -o filt cases/filt.c"


def records(run: dict[str, Any], folder: Path, engine: str) -> list[str]:
    """``EVENT A`` for each record of a run with the recorded triggers."""
    program = debian(COMPILE)
    out = folder / "out"
    options = {"output": str(out), "engine": engine, "consumers": (ConsumerUse("trace"),)}
    with Session([str(program)], **options) as s:
        for line in RUNS["events"]:
            s.probe(line.replace("./filt", str(program)))
        for target, text in run["writes"]:
            if target.endswith("/filter"):
                s.events.set_filter(target.split("/")[2], text)
            else:
                s.events.add_trigger(target.split("/")[2], text, s)
        s.run()
    found = re.findall(r": (ev|other): \(0x4006d4\) a=(-?\d+)", out.read_text())
    return [f"{event} {a}" for event, a in found]


@pytest.mark.parametrize("engine", ["py", "auto"])
@pytest.mark.parametrize("run", RUNS["runs"], ids=lambda run: run["name"])
def test_a_run_with_triggers_records_what_a_kernel_records(
    run: dict[str, Any], engine: str, tmp_path: Path
) -> None:
    found = records(run, tmp_path, engine)
    if run["name"] == "softonly":
        found = [line for line in found if line.startswith("other")]
    assert found == run["records"]


def test_the_recorded_histograms_come_out_of_a_run(tmp_path: Path) -> None:
    case = json.loads((DATA / "traces" / "hist-basic" / "case.json").read_text())
    program, out = debian(case["compile"]), tmp_path / "out"
    with Session([str(program)], output=str(out)) as s:
        for line in case["uprobe_events"]:
            s.probe(line.replace(case["guest_path"], str(program)))
        for target, text in case["writes"]:
            s.events.add_trigger(target.split("/")[2], text, s)
        s.run()
    assert histograms(out.read_text()) == histograms((DATA / "traces" / "hist-basic" / "hist").read_text())


def histograms(text: str) -> list[str]:
    """Each histogram of *text*, without pids."""
    found = re.findall(r"# event histogram\n.*?Dropped: \d+\n", text, re.DOTALL)
    return [re.sub(r"\[ *\d+\]", "[PID]", histogram) for histogram in found]


def test_a_histogram_that_was_removed_before_it_counted_is_not_printed(tmp_path: Path) -> None:
    program, out = debian(COMPILE), tmp_path / "out"
    with Session([str(program)], output=str(out)) as s:
        s.probe(f"p:ev {program}:ev a=%x0:s64 b=%x2:s32")
        for text in ("hist:keys=a", "hist:keys=b", "!hist:keys=a"):
            s.events.add_trigger("ev", text, s)
        s.run()
    infos = re.findall(r"trigger info: (hist:keys=\w)", out.read_text())
    assert infos == ["hist:keys=b"]
