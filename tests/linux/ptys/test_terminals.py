"""Pseudo-terminals of the run's own: a kernel says what they do, and none of the host's is reached."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.linux.guests import build
from tests.linux.native import agrees_with_the_host

_UPROBE = [sys.executable, "-P", "-m", "uprobe_core.cli", "run"]


@pytest.mark.parametrize("name", ["terminal_lines", "terminal_ends", "terminal_jobs", "terminal_modes"])
def test_a_program_sees_what_it_sees_on_the_host(name: str, tmp_path: Path) -> None:
    if not os.access("/dev/ptmx", os.R_OK | os.W_OK):
        pytest.skip("no reference: this host has no pseudo-terminals")
    agrees_with_the_host(name, tmp_path)


def _at_a_terminal(command: list[str], folder: Path) -> tuple[str, bytes]:
    """What *command* shows on a terminal of the host's, and what it has typed into that."""
    master, slave = pty.openpty()
    with subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=subprocess.PIPE) as process:
        shown = b""
        while b"some: " not in shown:
            shown += os.read(master, 4096)
        assert process.wait(60) == 0
    os.set_blocking(slave, False)
    try:
        typed = os.read(slave, 100)
    except BlockingIOError:
        typed = b""
    os.close(master)
    os.close(slave)
    return shown.decode().replace("\r\n", "\n"), typed


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_no_terminal_of_the_host_is_reached(sandbox: str, tmp_path: Path) -> None:
    """TIOCSTI, names, numbers and nodes: the inner wall alone keeps them all."""
    if not os.access("/dev/ptmx", os.R_OK | os.W_OK):
        pytest.skip("this host has no pseudo-terminals")
    command = [*_UPROBE, f"--sandbox={sandbox}", "--", str(build("terminal_reach"))]
    shown, typed = _at_a_terminal(command, tmp_path)
    assert shown.splitlines() == [
        "a terminal: 1",
        "type into it: -25",
        "its number: -25",
        "its peer: -25",
        "own terminal: -6",
        "others: 0",
        "again: 0",
        "a node of one's own: 0",
        "too many: -28",
        "some: 1",
    ]
    assert not typed


def test_two_runs_are_the_same(tmp_path: Path) -> None:
    """Who reads how much, and when, is up to the program alone."""
    command = [*_UPROBE, "--debug=syscalls", "--", str(build("terminal_ends"))]
    first, second = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60) for _ in range(2)
    )
    assert first.stdout == second.stdout
    assert sorted(first.stderr.splitlines()) == sorted(second.stderr.splitlines())
