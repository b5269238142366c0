"""Failures around a run: full disks, closed streams, folders and names that are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import installed, uprobe

pytestmark = pytest.mark.thorough

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVENT = ["-e", "p:work ./loop:work a=%x0"]
COMMAND = [sys.executable, "-m", "uprobe_core.cli"]


ENGINES = pytest.mark.parametrize("engine", ["c", "py"])
FORMATS = ["tracefs", "jsonl", "csv", "chrome", "folded", "parquet"]


@ENGINES
@pytest.mark.parametrize("name", FORMATS)
def test_output_that_cannot_be_written_is_125_and_the_program_runs_on(engine: str, name: str) -> None:
    options = ["--engine", engine, "--format", name, "-o", "/dev/full", *EVENT]
    done = uprobe("run", *options, "--", "./loop", "2", cwd=EXAMPLES)
    assert done.stdout == "sum 3\n"
    assert "error: 2 records are lost: cannot write the output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 125


@pytest.mark.parametrize("option", ["--profile", "--report"])
def test_every_file_of_a_run_that_cannot_be_written_is_125(option: str) -> None:
    done = uprobe("run", option, "/dev/full", *EVENT, "--", "./loop", "2", cwd=EXAMPLES)
    assert done.stdout == "sum 3\n"
    assert f"uprobe: error: cannot write the {option[2:]} '/dev/full': No space left on device" in done.stderr
    assert done.returncode == 125


@ENGINES
@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_that_goes_away_ends_the_records_and_not_the_program(
    tmp_path: Path, engine: str, name: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    options = ["--engine", engine, "--format", name, "-o", str(pipe), *EVENT]
    running = subprocess.Popen(
        [*COMMAND, "run", *options, "--", "./loop", "100"],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(os.open(pipe, os.O_RDONLY))  # opened by both, and nobody reads
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (125, "sum 9925\n")
    assert "records are lost: cannot write the output: its reader went away\n" in err
    assert "room" not in err


@ENGINES
def test_trace_text_into_head_ends_quietly(engine: str) -> None:
    command = " ".join([*COMMAND, "run", "--engine", engine, "-e", "'p:work ./loop:work'", "./loop", "3000"])
    done = subprocess.run(
        ["bash", "-c", f"exec 3>&2; {{ {command}; echo status $? >&3; }} 2>&1 >/dev/null | head -1"],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == "status 1\n"


WRITER = """
class W:
    def __init__(self, stream, header): self.stream = stream
    def write(self, record): WRITE
    def close(self): CLOSE
"""


@ENGINES
@pytest.mark.parametrize(
    ("write", "close", "what"),
    [("1 / 0", "pass", "write a record"), ("pass", "1 / 0", "finish its file")],
)
def test_a_writer_that_raises_is_named_and_makes_it_125(
    tmp_path: Path, engine: str, write: str, close: str, what: str
) -> None:
    source = WRITER.replace("WRITE", write).replace("CLOSE", close)
    env = installed(tmp_path, "uprobe.writers", "third_writer:W", source)
    options = ["--engine", engine, "--format", "third", "-C", "trace", "-C", "count", *EVENT]
    done = uprobe("run", *options, "./loop", "3", cwd=EXAMPLES, env=env)
    assert f"uprobe: error: writer 'third' failed to {what}" in done.stderr
    assert "uprobes/work: count" in done.stderr, "what the others found is written"
    assert (done.stdout, done.returncode) == ("sum 7\n", 125)


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
