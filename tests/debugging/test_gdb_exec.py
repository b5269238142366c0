"""A program that executes another one, and one that forks: what gdb is told, as by gdbserver."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.debugging.packets import Asked, exchange
from tests.debugging.visits import run_gdb, started, values, visit
from tests.programs import compiled, either

FIRST = """
#include <unistd.h>
__attribute__((noinline)) int before(int n) { __asm__ volatile(""); return n + 1; }
int main(int count, char **words) { before(count); execv(words[1], words + 1); return 9; }
"""
SECOND = """
__attribute__((noinline)) int after(int n) { __asm__ volatile(""); return n + 1; }
int main(int count, char **words) { return after(count); }
"""
VFORK = """
#include <sys/wait.h>
#include <unistd.h>
volatile int sum;
__attribute__((noinline)) int add(int n) { return sum += n; }
int main(int count, char **words) {
  int status, child;
  add(1);
  if (!(child = vfork())) { add(10); _exit(0); }
  waitpid(child, &status, 0);
  add(100);
  return sum;
}
"""
STEPS = ["break before", "continue", "catch exec", "continue", "break after", "continue", "backtrace"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exec")
    for name, text in (("first", FIRST), ("second", SECOND), ("vforks", VFORK)):
        (folder / f"{name}.c").write_text(text)
    return folder


@pytest.fixture
def words(sources: Path, tmp_path: Path) -> list[str]:
    """A command line of ours, whose second program lies where the first finds it."""
    shutil.copy(either(sources / "second.c"), tmp_path)
    return [str(either(sources / "first.c")), "second"]


def comparable(seen: Sequence[Any]) -> list[str]:
    """What gdb said, without addresses, numbers of processes, folders, and what it read."""
    texts = [re.sub(r"(Reading|warning:) .*\n?", "", text) for text in seen]
    return [re.sub(r"0x[0-9a-f]+|process \d+|/\S*/", "*", text).strip() for text in texts]


def test_breakpoints_go_on_in_the_executed_program_as_with_gdbserver(
    sources: Path, words: list[str], tmp_path: Path
) -> None:
    if shutil.which("gdbserver") is None:
        pytest.skip("needs gdbserver")
    theirs = [
        compiled(["gcc", "-O1", "-g", "-static"], sources / f"{name}.c") for name in ("first", "second")
    ]
    attach = f"target remote | gdbserver - {theirs[0]} {theirs[1]}"
    expected = run_gdb([f"file {theirs[0]}", attach], STEPS, tmp_path)
    seen, ended = visit(Path(words[0]), words, [*STEPS, "continue"], tmp_path)
    assert comparable(seen[:-1]) == comparable(expected)
    assert "is executing new program" in seen[3]
    assert seen[-2].startswith("#0  after (n=1)")
    assert ended.status == 2


def test_history_begins_anew_in_the_executed_program(words: list[str], tmp_path: Path) -> None:
    steps = ["catch exec", "continue", "stepi", "reverse-stepi", "reverse-stepi", "break after", "continue",
             "reverse-continue", "info symbol $pc", "continue", "continue"]  # fmt: skip
    seen, ended = visit(Path(words[0]), words, steps, tmp_path)
    assert "this program was executed here: what came before was another one" in seen[4] + ended.said
    assert "_start" in seen[8]
    assert ended.status == 2


def test_a_client_that_knows_no_such_stop_is_told_in_words(words: list[str], tmp_path: Path) -> None:
    with (
        started(["--gdb", "unix:gdb", *words], tmp_path) as run,
        Asked(run, tmp_path).connect() as connection,
    ):
        assert b"exec-events+" in exchange(connection, b"qSupported:multiprocess+")
        told = exchange(connection, b"c")
        assert told[:1] == b"O"
        assert b"is executed: breakpoints in the program before it are gone" in bytes.fromhex(
            told[1:].decode()
        )
        run.wait()


def test_a_child_that_shares_memory_does_not_stop(sources: Path, tmp_path: Path) -> None:
    program = either(sources / "vforks.c")
    steps = ["break add", "continue", "print n", "continue", "print n", "continue"]
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    assert [seen[2], seen[4]] == ["$1 = 1", "$2 = 100"]
    assert ended.status == 111


def test_a_child_that_shares_memory_stores_to_what_is_watched(sources: Path, tmp_path: Path) -> None:
    program = either(sources / "vforks.c")
    _, ended = visit(program, [str(program)], ["watch sum", *["continue"] * 3], tmp_path)
    assert [(old, new) for old, new, _ in values(tmp_path)] == [(0, 1), (1, 111)]
    assert ended.status == 111


def test_hits_of_a_child_that_shares_memory_do_not_count(sources: Path, tmp_path: Path) -> None:
    program = either(sources / "vforks.c")
    words = ["--stop-at", f"{program}:add#2", str(program)]
    seen, _ = visit(program, words, ["print $x0", "kill"], tmp_path)
    assert seen[0] == "$1 = 100"


def test_the_first_forked_process_is_told_of(sources: Path, tmp_path: Path) -> None:
    program = either(sources / "vforks.c")
    steps = ["set follow-fork-mode child", "break add", "continue", "continue", "print n", "kill"]
    seen, _ = visit(program, [str(program)], steps, tmp_path)
    assert "has forked process 1001: forked processes run on by themselves" in seen[3]
    assert seen[4] == "$1 = 100"
