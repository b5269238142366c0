"""User stacks: what calls what, by the programs' own knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import FRAME_POINTERS, zig
from uprobe_core.image.demangling import demangle

FLAGS = {
    "frame-pointers": FRAME_POINTERS,
    "unwind-tables": ("-fasynchronous-unwind-tables",),
}


class Stacks:
    """Collects the named stack of each hit."""

    name = "stacks"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def handler(self, hit: up.Hit) -> None:
        self.seen.append([frame.label for frame in hit.stack()])


def stacks_at(program: Path, place: str) -> list[list[str]]:
    """The named stacks of all hits of *place*."""
    with up.Session([str(program)], output="/dev/null") as session:
        collector = session.probe(f"p:probe {program}:{place}", Stacks())
        session.run()
    return list(collector.seen)


@pytest.fixture(params=FLAGS, scope="module")
def program(request: pytest.FixtureRequest) -> Path:
    return zig("stacks.c", *FLAGS[request.param])


def test_recursion_shows_every_call(program: Path) -> None:
    calls = [stack for stack in stacks_at(program, "down") if stack.count("down") == 4]
    assert [stack[:5] for stack in calls] == [["down", "down", "down", "down", "main"]]


def test_the_caller_is_there_at_a_functions_first_instruction(program: Path) -> None:
    first = stacks_at(program, "leaf")[0]
    assert first[:6] == ["leaf", "down", "down", "down", "down", "main"]


def test_a_signal_handlers_stack_goes_on_in_the_code_that_was_interrupted(program: Path) -> None:
    in_handler = next(stack for stack in stacks_at(program, "leaf") if "handler" in stack)
    assert in_handler[:2] == ["leaf", "handler"]
    assert "interrupted" in in_handler
    assert in_handler.index("interrupted") < in_handler.index("main")


def test_every_stack_ends_in_the_start_code(program: Path) -> None:
    for stack in stacks_at(program, "leaf"):
        assert "main" in stack
        assert stack.count("main") == 1


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("_ZN2ns1A4leafEi", "ns::A::leaf(int)"), ("main", "main"), ("_Zbroken!", "_Zbroken!")],
)
def test_names_of_cpp_functions_are_demangled(symbol: str, name: str) -> None:
    if demangle("_Z1fv") != "f()":
        pytest.skip("the host has no C++ library to demangle with")
    assert demangle(symbol) == name
