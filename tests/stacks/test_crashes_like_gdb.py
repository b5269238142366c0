"""The stack of a crash is the one that gdb shows of the same program under qemu-user."""

from __future__ import annotations

from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import build_debian
from tests.stacks.debugger import run_gdb

CRASHES = ("abort", "nothing", "strlen", "handler", "gives up", "thread", "deep")


@pytest.mark.parametrize("word", CRASHES)
def test_the_stack_of_a_crash_is_gdbs(word: str, tmp_path: Path) -> None:
    program = build_debian("crashes.c", "-O2", "-static")
    theirs = run_gdb(Path(__file__).with_name("gdb_crash.py"), program, 10, tmp_path, word)
    with up.Session([str(program), word], output="/dev/null") as session:
        stack = session.run().stack
    assert ["<signal>" if each.file == "[vdso]" else each.name for each in stack[:10]] == theirs
