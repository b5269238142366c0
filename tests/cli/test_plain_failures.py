"""Failures around a run: full disks, closed streams, folders and names that are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import uprobe

pytestmark = pytest.mark.thorough

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVENT = ["-e", "p:work ./loop:work a=%x0"]
COMMAND = [sys.executable, "-m", "uprobe_core.cli"]


def test_output_that_cannot_be_written_is_said_and_the_program_runs_on() -> None:
    done = uprobe("run", "-o", "/dev/full", *EVENT, "--", "./loop", "2", cwd=EXAMPLES)
    assert done.stdout == "sum 3\n"
    assert "records are lost: cannot write the output: No space left on device" in done.stderr
    assert done.returncode == 0


def test_a_full_standard_output_is_no_internal_error() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "list", "./loop"],
            cwd=EXAMPLES,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "No space left on device" in done.stderr
    assert "internal" not in done.stderr
    assert done.returncode == 125


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams_has_the_programs_status(closed: str) -> None:
    command = " ".join([*COMMAND, "run", "-e", "'p:work ./loop:work'", "--", "./loop", "2"])
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], cwd=EXAMPLES, check=False, stderr=subprocess.PIPE
    )
    assert b"internal" not in done.stderr
    # With standard output closed the program cannot print its sum, as it would see without us.
    assert done.returncode in {0, 1}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--cwd=/nosuch", "the working directory '/nosuch' is not a folder"),
        ("--sysroot=/nosuch", "the sysroot '/nosuch' is not a folder"),
        ("--decoder=nosuch", "no decoder is called 'nosuch'"),
        ("--seed=q", "'q' is not a number"),
        ("--max-insns=0", "'0' is not at least 1"),
        ("--timeout=soon", "'soon' is not a number of seconds greater than 0"),
    ],
)
def test_a_wrong_value_is_named_before_anything_runs(option: str, message: str) -> None:
    done = uprobe("run", option, *EVENT, "--", "./loop", "2", cwd=EXAMPLES)
    assert message in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_a_probed_file_that_is_cut_short_is_the_event_lines_error(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes((EXAMPLES / "loop").read_bytes()[:20000])
    done = uprobe("run", "-e", f"p:work {cut}:work", "--", "./loop", "2", cwd=EXAMPLES)
    assert f"truncated ELF file: {cut} ends at 20000 bytes" in done.stderr
    assert f"  Command: p:work {cut}:work" in done.stderr
    assert done.returncode == 125


def test_a_closed_terminal_ends_the_run_with_its_records_written(tmp_path: Path) -> None:
    found = tmp_path / "found"
    options = ["-C", "trace", "-C", "count", "-o", str(found), *EVENT]
    command = [*COMMAND, "run", *options, "--", "./loop", "2000000000"]
    running = subprocess.Popen(command, cwd=EXAMPLES, stderr=subprocess.DEVNULL)
    while not found.exists() or found.stat().st_size == 0:  # until then it has not begun to run
        assert running.poll() is None
    os.kill(running.pid, signal.SIGHUP)
    assert running.wait(60) == 128 + signal.SIGHUP
    assert "uprobes/work: count" in found.read_text()
