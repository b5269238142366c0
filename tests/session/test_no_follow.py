"""``--no-follow``: probes stay with the program that was started."""

from __future__ import annotations

from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.errors import UsageError

ENGINES = pytest.mark.parametrize("engine", ["py", "auto"])
MODES = pytest.mark.parametrize("mode", ["trap", "inline", "jump"])


class Numbers:
    """What `work` was called with, in every process that it hears of."""

    name = "numbers"

    def __init__(self) -> None:
        self.found: list[int] = []

    def handler(self, hit: up.Hit) -> None:
        self.found.append(hit.args["n"])

    def fork(self) -> None:
        self.found.clear()

    def finish(self) -> list[int]:
        return self.found

    def merge(self, found: list[int]) -> None:
        self.found += found


def run(source: str, *arguments: str, **options: object) -> tuple[list[int], Any]:
    """What *source* worked with, and how often a native counter saw it."""
    program = zig(source)
    numbers, count = Numbers(), up.Count()
    with up.Session([str(program), *arguments], **options) as session:
        session.probe(f"p:work {program}:work n=%x0", numbers)
        session.probe(f"p:counted {program}:work", count)
        assert session.run().shell_status == 0
    return sorted(numbers.found), count.result()


@ENGINES
@MODES
def test_forked_processes_are_left_alone(engine: str, mode: str) -> None:
    assert run("family.c", engine=engine, mode=mode) == ([1, 2, 3, 4], 4)
    assert run("family.c", engine=engine, mode=mode, follow=False) == ([4], 1)


@ENGINES
def test_executed_programs_are_left_alone(engine: str) -> None:
    assert run("family.c", "again", engine=engine) == ([0, 1, 2, 3, 4], 5)
    assert run("family.c", "again", engine=engine, follow=False) == ([0], 1)


@ENGINES
@MODES
def test_a_child_in_its_parents_memory_is_left_alone_and_the_parent_is_not(
    engine: str, mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("vforks.c", engine=engine, mode=mode) == ([1, 2, 20], 3)
    assert run("vforks.c", engine=engine, mode=mode, follow=False) == ([2], 1)
    assert capfd.readouterr().out == "24\n24\n"


def test_a_return_that_is_pending_at_a_fork_is_the_parents() -> None:
    program = zig("family.c")
    returns = up.Count()
    with up.Session([str(program)], follow=False) as session:
        session.probe(f"r:main {program}:main", returns)
        session.run()
    assert returns.result() == 1


def test_hijacked_returns_cannot_be_left_alone() -> None:
    with pytest.raises(UsageError, match="must then be followed"):
        run("family.c", returns="hijack", follow=False)
