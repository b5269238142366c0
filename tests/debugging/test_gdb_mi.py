"""gdb as editors speak to it (GDB/MI): what they ask for first, steps both ways, an interruption."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.debugging.packets import Asked
from tests.debugging.visits import PATIENCE, needs_gdb, started
from tests.programs import GUEST, either

STOPPED = rb"\*stopped,[^\n]*\n"


class Editor:
    """One gdb, by the lines of its interpreter."""

    def __init__(self, gdb: subprocess.Popen[bytes]) -> None:
        self._gdb, self._said = gdb, b""

    def _until(self, pattern: bytes) -> str:
        assert self._gdb.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self._said)) is None:
            assert select.select([self._gdb.stdout], [], [], max(deadline - time.monotonic(), 0))[0], (
                self._said
            )
            more = os.read(self._gdb.stdout.fileno(), 1 << 16)
            assert more, self._said
            self._said += more
        text, self._said = found[0].decode(), self._said[found.end() :]
        return text.strip()

    def ask(self, command: str) -> str:
        """What *command* is answered."""
        assert self._gdb.stdin is not None
        self._gdb.stdin.write(f"{command}\n".encode())
        return self._until(rb"\^(?:done|running|connected|error)[^\n]*\n")

    def go(self, command: str) -> str:
        """Where *command* leads to."""
        assert self.ask(command).startswith(("^running", "^done"))
        return self._until(STOPPED)


@contextmanager
def editor(program: Path, words: list[str], folder: Path) -> Iterator[Editor]:
    """It has connected to the run with *words*."""
    needs_gdb()
    command = ["gdb-multiarch", "-nx", "-q", "-i=mi", str(program)]
    with (
        started(["--gdb", "unix:gdb", *words], folder) as run,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        ) as gdb,
    ):
        found = Editor(gdb)
        try:
            assert found.ask("-gdb-set mi-async on") == "^done"
            assert found.ask(f"-target-select remote {folder / Asked(run, folder).where}") == "^connected"
            yield found
        finally:
            gdb.kill()


@pytest.fixture
def visited(tmp_path: Path) -> Iterator[Editor]:
    program = either(GUEST / "visited.c")
    with editor(program, ["--stop-at", f"{program}:parse#3", str(program)], tmp_path) as made:
        yield made


def test_editors_are_told_that_it_goes_backwards(visited: Editor) -> None:
    assert visited.ask("-list-target-features") == '^done,features=["async","reverse"]'
    assert 'name="visited",frame={level="0",' in visited.ask("-thread-info")


def test_breakpoints_frames_and_variables_are_shown(visited: Editor) -> None:
    assert visited.ask('-break-insert -c "n == 0" depth').startswith('^done,bkpt={number="1"')
    assert 'reason="breakpoint-hit"' in visited.go("-exec-continue")
    frames = re.findall(r'func="(\w+)"', visited.ask("-stack-list-frames"))
    assert frames == ["depth", "depth", "depth", "parse", "main"]
    assert '{name="n",arg="1",value="0"}' in visited.ask("-stack-list-variables --all-values")
    assert visited.ask("-data-evaluate-expression n+7") == '^done,value="7"'


def test_steps_go_backwards_to_where_they_came_from(visited: Editor) -> None:
    first, second = visited.go("-exec-next"), visited.go("-exec-next")
    assert first != second
    assert visited.go("-exec-next --reverse") == first
    assert 'func="main"' in visited.go("-exec-finish --reverse")
    visited.ask("-break-insert depth")
    assert '{name="n",value="0"}' in visited.go("-exec-continue --reverse")


def test_where_history_ends_is_no_signal(visited: Editor) -> None:
    stop = visited.go("-exec-continue --reverse")
    assert 'func="_start"' in stop
    assert "signal" not in stop


def test_the_program_is_interrupted(tmp_path: Path) -> None:
    program = either(GUEST / "spin.c")
    with editor(program, [str(program), "1000000000"], tmp_path) as made:
        assert made.ask("-exec-continue") == "^running"
        assert 'signal-name="SIGINT"' in made.go("-exec-interrupt")
