"""A function that comes back by tail calls returns each time; one that a longjmp left does not.

What hijacked return addresses say is the outside truth: they tell a tail call by the trampoline in the link
register, as a kernel does (6.12, by hand: f that tail-calls itself three times is four returns).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import uprobe_core as up
from tests.guest.test_exceptions import mode
from tests.programs import build_debian, symbols, zig

__all__ = ("mode",)

NAMES = ["main", "again", "ping", "pong", "leaves", "tail_leaves", "loops", "on_signal", "raises"]
STRIP = "aarch64-linux-gnu-strip"
Ends = dict[str, tuple[int, int]]


def ends(program: Path, mode: str, returns: str = "watch", *, names_of: Path | None = None) -> Ends:
    """Entries and returns of each function; *names_of* is the program with its names."""
    places = symbols(names_of or program)
    with up.Session([str(program)], output=os.devnull, returns=returns, mode=mode) as session:
        for name in NAMES:
            session.probe(f"r:{name} {program}:{places[name][1]:#x}")
        session.run()
        tallies = [
            (e.name, sum((p.tallies for p in e.probes), Counter[str]())) for e in session.events.events
        ]
    return {name: (found["entries"], found["returns"]) for name, found in tallies}


def debian(*flags: str) -> Path:
    return build_debian("comes_back.c", "-O2", *flags)


def test_watched_returns_are_those_of_hijacked_addresses(mode: str) -> None:
    watched = ends(debian("-static"), mode)
    assert watched == ends(debian("-static"), mode, "hijack")
    assert (watched["again"], watched["leaves"]) == ((10, 10), (13, 2))


def test_another_c_librarys_longjmp_is_seen(mode: str) -> None:
    program = zig("comes_back.c", "-O2")
    assert ends(program, mode) == ends(program, mode, "hijack")


def test_in_a_stripped_program_the_same_call_again_ends_the_first(mode: str, tmp_path: Path) -> None:
    """It may jump unseen: nothing says that a call was not left."""
    if shutil.which(STRIP) is None:
        pytest.skip(f"needs {STRIP}")
    subprocess.run([STRIP, "-o", tmp_path / "stripped", debian("-static")], check=True)
    found = ends(tmp_path / "stripped", mode, names_of=debian("-static"))
    assert (found["again"], found["leaves"]) == ((10, 2), (13, 2))


def test_a_runtime_that_jumps_by_itself_is_believed_to(mode: str) -> None:
    """A function that OCaml's runtime has is in the program: its compiled code raises without a call."""
    found = ends(debian("-static", "-DKEPT_RAISER=caml_raise_exn"), mode)
    assert found["again"] == (10, 2)
