"""A program that a signal killed: where it was, and who called that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.command import uprobe
from tests.programs import zig

ENGINES = pytest.mark.parametrize("engine", ["c", "py"])
CHAINS = {
    "abort": ["fails", "main"],
    "nothing": ["calls_nothing", "main"],
    "strlen": ["measures", "main"],
    "handler": ["handles", "__restore_rt", "raise", "catches", "main"],
    "thread": ["works", "start"],
    "gives up": ["fails", "gives_up", "__restore_rt", "0x0", "calls_nothing"],
}
"""What of the callers is in the source of crashes.c, in order, by what it is told."""


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("crashes.c")


def callers(message: str) -> list[str]:
    """The functions of the line that names them, the last of *message*."""
    *_, last = message.splitlines()
    start = "uprobe:   called from "
    assert last.startswith(start), message
    return [re.sub(r"\+0x[0-9a-f]+$", "", name) for name in last.removeprefix(start).split(", ")]


@pytest.mark.parametrize("word", CHAINS)
def test_the_callers_are_said_of_a_program_without_a_probe(program: Path, word: str) -> None:
    found = callers(uprobe("run", "--", str(program), word).stderr)
    rest = iter(found)
    assert all(name in rest for name in CHAINS[word]), found


@ENGINES
def test_they_are_the_real_ones_where_returns_are_hijacked(program: Path, engine: str) -> None:
    plain = uprobe("run", "--", str(program), "handler").stderr.splitlines()[-1]
    words = [word for name in ("main", "catches", "raise", "handles", "reads") for word in ("-F", name)]
    words += ["--returns", "hijack", "--engine", engine, "-o", "/dev/null"]
    done = uprobe("run", *words, "--", str(program), "handler")
    assert done.stderr.splitlines()[-1] == plain


def test_of_many_callers_the_innermost_eight_are_said(program: Path) -> None:
    assert callers(uprobe("run", "--", str(program), "deep").stderr) == [*["deepens"] * 8, "..."]


def test_nothing_is_said_of_a_forked_process(program: Path) -> None:
    done = uprobe("run", "--", str(program), "fork")
    assert (done.returncode, done.stderr) == (0, "")
