"""However a run ends, it ends cleanly: the right status, everything written, nobody left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.programs import zig

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def calls() -> Path:
    return zig("calls.c")


def start(program: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    """``uprobe run`` with a counting probe on work(); *words* are options, then after -- arguments."""
    at = words.index("--")
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "-o", str(out), "--profile", f"{out}.profile"]
    command += ["-C", "count", "-e", f"p:g/work {program}:work n=%x0", *words[:at], "--", str(program)]
    return subprocess.Popen(
        [*command, *words[at + 1 :]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def counted(out: Path) -> int:
    """What the report of the counting consumer says."""
    found = re.search(r"^g/work: count\n +(\d+)", out.read_text(), re.MULTILINE)
    assert found is not None, out.read_text()
    return int(found[1])


def hits(out: Path) -> int:
    """What the profile says."""
    return int(Path(f"{out}.profile").read_text().split()[2])


def test_a_time_limit_ends_a_busy_program_with_its_report(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(calls, out, "--timeout", "1", "--", "forever")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 124
    assert "timeout" in err
    assert counted(out) == hits(out) > 0


def test_an_instruction_limit_ends_a_busy_program_with_its_report(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(calls, out, "--max-insns", "300000", "--", "forever")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 124
    assert "max-insns" in err
    assert counted(out) == hits(out) > 0


def _wait_for_children(run: subprocess.Popen[str], count: int) -> None:
    """Until *run* has forked *count* host processes."""
    path = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    for _ in range(600):
        if len(path.read_text().split()) >= count:
            return
        time.sleep(0.1)
    pytest.fail("the program's processes did not start")


def _alive(group: str) -> list[int]:
    """Host processes whose command line names *group*."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                continue
            if group.encode() in words:
                found.append(int(entry))
    return found


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_all_processes_and_keeps_what_each_counted(
    calls: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    out = tmp_path / "out"
    run = start(calls, out, "--", "children", "5")
    _wait_for_children(run, 4)
    time.sleep(2)
    run.send_signal(number)
    run.communicate(timeout=60)
    assert run.returncode == status
    assert counted(out) == hits(out) >= 20
    assert _alive(str(out)) == []


def test_a_memory_limit_is_the_programs_enomem(calls: Path, tmp_path: Path) -> None:
    run = start(calls, tmp_path / "out", "--max-memory", str(64 << 20), "--", "memory")
    text, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    found = re.fullmatch(r"(\d+) MiB, then ENOMEM\n", text)
    assert found is not None, text
    assert 0 < int(found[1]) < 64


def test_a_process_limit_is_the_programs_eagain(calls: Path, tmp_path: Path) -> None:
    # Its children sleep for ever, and a run waits for all processes of its program.
    limits = ("--max-processes", "4", "--timeout", "5")
    run = start(calls, tmp_path / "out", *limits, "--", "processes")
    text, _ = run.communicate(timeout=60)
    assert run.returncode == 124
    assert text == "3 children, then EAGAIN\n"


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize(("name", "first"), [("tracefs", "work: "), ("jsonl", "g/work")])
def test_a_file_of_records_can_be_read_while_the_program_waits(
    calls: Path, tmp_path: Path, engine: str, name: str, first: str
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--engine", engine, "-o", str(out)]
    command += ["--format", name, "-e", f"p:g/work {calls}:work n=%x0", "--", str(calls), "sleep"]
    run = subprocess.Popen(command, cwd=ROOT)
    try:
        end = time.monotonic() + 60
        while not out.exists() or first not in out.read_text():
            assert time.monotonic() < end
            assert run.poll() is None
            time.sleep(0.05)
        assert run.poll() is None
    finally:
        run.terminate()
        assert run.wait(60) == 143
