"""Twice as many event lines are twice as much work: counted in executed lines of ours, not in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from uprobe_core.testing.tiny_elf import TEXT, TinyProgram

pytestmark = pytest.mark.thorough

MOST = 150
EXIT = (0xD2800000, 0xD2800BC8, 0xD4000001)  # mov x0, #0; mov x8, #94; svc #0
NOPS = TinyProgram((*EXIT, *(0xD503201F,) * MOST), {"_start": 0})
FIRST = TEXT + 4 * len(EXIT)
OURS = ("uprobe_core", "uprobe_linux", "uprobe_unicorn")

Work = Callable[[up.Session, list[str]], None]


def steps_of(action: Callable[[], None]) -> int:
    """How many lines of our Python *action* executes, each round of a comprehension included."""
    steps = 0

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return trace if frame.f_globals.get("__name__", "").partition(".")[0] in OURS else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return steps


def one_by_one(session: up.Session, lines: list[str]) -> None:
    """Each line and each removal for itself, while the program is there."""
    session.open()
    events = [session.probe(line) for line in lines]
    for event in dict.fromkeys(events):
        session.remove(event)


def together(session: up.Session, lines: list[str]) -> None:
    """All before the program is loaded, and all out again at once, by name."""
    names = [line.split()[0].partition(":")[2] for line in lines]
    session.change(lambda: [session.probe(line, up.Count()) for line in lines])
    session.open()
    session.change(lambda: [session.probe(f"-:{name}") for name in dict.fromkeys(names)])


def own_names(path: str, count: int) -> list[str]:
    return [f"p:x{n} {path}:{FIRST + 4 * n:#x} a=%x0" for n in range(count)]


def one_name(path: str, count: int) -> list[str]:
    return [f"p:x {path}:{FIRST + 4 * n:#x} a=%x0" for n in range(count)]


def returns(path: str, count: int) -> list[str]:
    return [f"r:x{n} {path}:{FIRST + 4 * n:#x}" for n in range(count)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("growth") / "nops"
    path.write_bytes(NOPS.elf())
    path.chmod(0o755)
    return str(path)


def assert_linear(program: str, lines: Callable[[str, int], list[str]], work: Work, **options: Any) -> None:
    """A third fifty lines take the steps that a second fifty take."""

    def steps(count: int) -> int:
        with up.Session([program], output=os.devnull, **options) as session:
            return steps_of(lambda: work(session, lines(program, count)))

    steps(50)  # imports
    first, second, third = (steps(count) for count in (50, 100, 150))
    assert third - second < 1.02 * (second - first)


ENGINES = [
    *(("py", mode) for mode in ("trap", "inline", "auto")),
    *(("c", mode) for mode in ("trap", "inline", "jump", "auto")),
]


@pytest.mark.parametrize(("engine", "mode"), ENGINES, ids=["-".join(each) for each in ENGINES])
@pytest.mark.parametrize("work", [one_by_one, together])
def test_events_come_and_go_in_steps_of_their_own(program: str, work: Work, engine: str, mode: str) -> None:
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
    assert_linear(program, own_names, work, engine=engine, mode=mode)


@pytest.mark.parametrize("lines", [one_name, returns])
def test_so_do_the_locations_of_one_event_and_return_events(program: str, lines: Any) -> None:
    assert_linear(program, lines, one_by_one if lines is one_name else together, engine="py")


def test_so_they_do_as_under_a_kernel(program: str) -> None:
    assert_linear(program, own_names, together, policy="kernel:6.12", engine="py")
