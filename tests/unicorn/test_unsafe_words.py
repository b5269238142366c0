"""Words over which the emulator itself would die are undefined instructions to the program."""

from __future__ import annotations

import pytest

import uprobe_core as up
from tests.programs import zig

SIGILL = 4


@pytest.mark.parametrize("mode", ["inline", "trap"])
def test_a_word_that_the_emulator_cannot_survive_is_an_undefined_instruction(mode: str) -> None:
    program = zig("unsafe_word.c")
    with up.Session([str(program)], mode=mode, output="/dev/null") as session:
        calls = session.probe(f"p:main {program}:main", up.Count())
        assert session.run().signal == SIGILL
    assert calls.result() == 1
