"""--interval: tables while the program runs; on a terminal they replace each other, and its output stays."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.programs import GUEST, either, zig

TOLD = ["one", "half and half", "child", "end"]
REPORT = ["counts_aloud/work: count", "  300000"]
RUN = [sys.executable, "-m", "uprobe_core.cli", "run", "--interval", "0.05", "-F", "work", "-C", "count"]
ESCAPE = re.compile(r"\x1b\[(\d*)([AJK])")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("counts_aloud.c")


def on_a_terminal(command: list[str], rows: int = 0, columns: int = 0) -> str:
    """All that *command* writes to the terminal that it has, of that size, 0: it does not know."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
            if not data:
                break
            found += data
    os.close(ours)
    assert process.returncode == 0, found
    return found.decode()


def said(terminal: int) -> str:
    """What is written to *terminal* next; it fails where nothing is."""
    assert select.select([terminal], [], [], 30)[0]
    return os.read(terminal, 4096).decode()


class Terminal:
    """As much of one as is used: lines, and a cursor that goes up and clears what is behind it."""

    def __init__(self) -> None:
        self.lines, self.row, self.column = [""], 0, 0

    def take(self, text: str) -> None:
        at = 0
        while at < len(text):
            escape = ESCAPE.match(text, at)
            if escape is not None:
                self._escape(int(escape[1] or 1), escape[2])
                at = escape.end()
                continue
            self._put(text[at])
            at += 1

    def _escape(self, number: int, kind: str) -> None:
        if kind == "A":
            self.row -= number
            assert self.row >= 0
            return
        self.lines[self.row] = self.lines[self.row][: self.column]
        if kind == "J":
            del self.lines[self.row + 1 :]

    def _put(self, char: str) -> None:
        assert char != "\x1b"
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1


def test_on_a_terminal_nothing_is_left_of_the_tables_and_nothing_missing_of_the_program(
    program: Path,
) -> None:
    written = on_a_terminal([*RUN, "--", str(program)])
    terminal = Terminal()
    terminal.take(written)
    assert written.count("instructions, ") >= 2
    assert "\x1b[" in written
    assert terminal.lines == [*TOLD, *REPORT, ""]


@pytest.mark.parametrize(("rows", "columns"), [(6, 20), (0, 0)])
def test_a_table_is_no_larger_than_its_terminal(rows: int, columns: int) -> None:
    code = "from uprobe_core.session.screen import Screen; Screen(shared=False).table(['x' * 100] * 30)"
    written = on_a_terminal([sys.executable, "-c", code], rows, columns)
    lines = written.splitlines()
    assert len(lines) == (rows or 24) - 1
    assert max(len(line) for line in lines) == (columns or 80) - 1
    for_each = -(-100 // ((columns or 80) - 1))
    assert lines[-1] == f"... {30 * for_each - len(lines) + 1} more lines"


def test_elsewhere_they_follow_each_other(program: Path) -> None:
    begin = time.monotonic()
    done = subprocess.run([*RUN, "--", str(program)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == TOLD[:-1]
    lines = [line for line in done.stderr.splitlines() if line != "end"]
    heads = [n for n, line in enumerate(lines) if line.startswith("--- ")]
    assert len(heads) >= 2
    counted = [int(lines[at + 2]) for at in heads]
    assert counted == sorted(counted)
    seconds = [float(lines[at].split()[1]) for at in heads]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= seconds[-1] < time.monotonic() - begin
    assert lines[-2:] == REPORT


def test_a_tree_on_a_terminal_shows_what_is_known_when_the_program_waits() -> None:
    """Also the calls that it is in."""
    program = either(GUEST / "echoes.c")
    ours, theirs = pty.openpty()
    words = ["--format", "tree:color=never", "-F", "main", "-F", "work"]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words, str(program)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=theirs) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = ""
        for number in (1, 2):
            process.stdin.write(b"line\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{2 * number}\n".encode()
            while shown.count("work(") < number:
                shown += said(ours)
        process.stdin.close()
        assert process.wait() == 7
    while "main */" not in shown:
        shown += said(ours)
    os.close(theirs)
    os.close(ours)
    calls = [re.sub(r"\(.*\)", "()", line.partition("\u2502 ")[2]).strip() for line in shown.splitlines()]
    assert [call.partition(" = ")[0] for call in calls] == ["", "main() {", "work()", "work()", "}"]
