"""A run that has nothing to show, or less than was asked for, says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import uprobe
from tests.programs import zig


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-e", "p ./loop:lseek"), "uprobe: warning: uprobes/lseek was not reached\n"),
        (("-F", "lseek", "-F", "strerror"), "uprobe: warning: none of what is probed was reached\n"),
        (("-F", "lseek", "-C", "count"), "loop/lseek: count\n  0\n"),
        (("-F", "work", "--exclude", "wrok"), "uprobe: warning: --exclude wrok leaves nothing out"),
        (("-F", "work", "-C", "count", "--format", "csv"), "--format csv has no records: -C count is in"),
        (("-F", "work", "--min-time", "1s"), "# there were calls, but none that --min-time, "),
    ],
)
def test_it_says_so(options: tuple[str, ...], said: str) -> None:
    done = uprobe("run", *options, "--", "./loop", "2")
    assert (done.returncode, done.stdout) == (0, "sum 3\n")
    assert said in done.stderr


@pytest.mark.parametrize(
    "options",
    [("-F", "work"), ("-F", "work", "--exclude", "m*", "-F", "main"), ("-F", "work", "-C", "count")],
)
def test_others_are_not_warned(options: tuple[str, ...]) -> None:
    assert "warning" not in uprobe("run", *options, "--", "./loop", "2").stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_tree_of_a_function_that_is_not_followed_is_refused(command: str) -> None:
    done = uprobe(command, "-F", "work", "--tree-of", "wrok", "--", "./loop", "2")
    assert done.returncode == 2
    text = done.stderr + done.stdout
    assert (
        "error: --tree-of wrok: no function that is followed is called so\nhint: did you mean work?\n" in text
    )


def test_so_says_a_graph_of_one() -> None:
    done = uprobe("run", "-F", "work", "-C", "graph:of=wrok", "--", "./loop", "2")
    assert done.stderr == "graph of calls in wrok\n  no function that is followed is called so\n"


def without_sections(program: Path, copy: Path) -> str:
    """A copy whose ELF header says that there are none, as strip --strip-section-headers leaves it."""
    code = bytearray(program.read_bytes())
    code[40:48], code[60:64] = bytes(8), bytes(4)  # e_shoff; e_shnum and e_shstrndx
    copy.write_bytes(code)
    copy.chmod(0o755)
    return str(copy)


def test_a_program_without_symbols_has_other_ways_to_be_looked_at(tmp_path: Path) -> None:
    stripped = without_sections(zig("calls_often.c"), tmp_path / "stripped")
    done = uprobe("run", "-F", "main", "--", stripped, "2")
    assert done.returncode == 2
    assert f"-F main: {stripped} has no symbols of functions\nhint: -S shows its system calls" in done.stderr


def test_several_patterns_in_one_are_told_apart() -> None:
    done = uprobe("run", "-F", "work,main", "--", "./loop", "2")
    assert "hint: one -F for each pattern: -F work -F main\n" in done.stderr


def test_a_value_that_is_wrong_is_not_taken_for_an_option_that_is() -> None:
    done = uprobe("run", "-F", "work", "--min-time", "10x", "--", "./loop")
    assert "'10x' is not a time" in done.stderr
    assert "did you mean" not in done.stderr


def test_system_calls_are_not_called_functions() -> None:
    done = uprobe("run", "-S", "-C", "summary:top=1", "--", "./loop", "2")
    assert "system calls without a call that returned" in done.stderr
    assert "functions" not in done.stderr.replace("function\n", "")
