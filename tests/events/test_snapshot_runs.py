"""A kernel's two buffers after runs with snapshots, and with records that are too long (6.12.117)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.events.support import load
from tests.programs import debian, expand
from uprobe_core.errors import SpecError
from uprobe_core.run_setup import ConsumerUse
from uprobe_core.session import Session

RUNS = load("snapshot_runs.json")["runs"]
_RECORD = re.compile(r": (\w+): \(.*?\) (\w+=\w+)|<(stack) trace>")
_ENTRY = re.compile(r"^\{ (\w+): +(\d+) \} hitcount: +(\d+)", re.MULTILINE)


def session(events: list[str], program: str, out: Path, **options: Any) -> Session:
    """A session under the kernel's policy with the recorded *events*."""
    flags = "-O1 -g0 -static -no-pie -pthread"
    compiled = debian(f"aarch64-linux-gnu-gcc {flags} -o {program} cases/{program}.c")
    made = Session(
        [str(compiled)],
        output=str(out),
        consumers=(ConsumerUse("trace"),),
        **{"policy": "kernel", **options},
    )
    for line in events:
        made.probe(expand(line, compiled).replace(f"/root/{program}", str(compiled)))
    return made


def records(text: str) -> list[str]:
    """``EVENT A=VALUE`` of each record, and ``stack``."""
    found = _RECORD.findall(text)
    return ["stack" if stack else f"{event} {value.replace('0x', '')}" for event, value, stack in found]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["name"])
def test_the_two_buffers_hold_what_a_kernels_hold(run: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with session(run["events"], run["program"], out) as s:
        for target, text in run["writes"]:
            _, event, file = target.split("/")
            if file == "filter":
                s.events.set_filter(event, text)
            else:
                s.events.add_trigger(event, text, s)
        s.run()
    text = out.read_text()
    trace, _, snapshot = text.partition("# snapshot\n")
    assert records(trace) == [line.replace("0x", "") for line in run["trace"]]
    assert records(snapshot) == [line.replace("0x", "") for line in run["snapshot"] or ()]
    assert [f"{a}={b}: {n}" for a, b, n in _ENTRY.findall(text)] == run.get("hist", [])


def test_a_snapshot_comes_too_late_for_an_output_that_has_begun(tmp_path: Path) -> None:
    run = RUNS[0]
    with session(run["events"], run["program"], tmp_path / "out") as s:
        s.open()
        with pytest.raises(SpecError, match="snapshot comes too late"):
            s.events.add_trigger("ev", "snapshot", s)


def test_a_format_has_all_records_whatever_is_swapped(tmp_path: Path) -> None:
    run, out = RUNS[0], tmp_path / "out"
    with session(run["events"], run["program"], out, format="jsonl") as s:
        s.events.add_trigger("ev", "snapshot if a == 3", s)
        s.run()
    assert len(out.read_text().splitlines()) == 21


def test_outside_of_a_kernels_policy_a_snapshot_is_a_line_between_the_records(tmp_path: Path) -> None:
    run, out = RUNS[0], tmp_path / "out"
    with session(run["events"], run["program"], out, policy="anywhere") as s:
        s.events.add_trigger("ev", "snapshot if a == 3", s)
        s.run()
    parts = [records(part) for part in out.read_text().split("# snapshot\n")]
    assert [len(part) for part in parts] == [4, 7, 7, 3]
    assert [part[-1] for part in parts] == ["ev a=3", "ev a=3", "ev a=3", "ev a=64"]
