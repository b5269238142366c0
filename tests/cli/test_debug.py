"""``--debug``: tracebacks and counts; ``--debug=hits,places,syscalls``: decisions in readable lines."""

from __future__ import annotations

import pytest

from tests.cli.command import EXAMPLES, uprobe
from tests.programs import zig

SVC = bytes.fromhex("010000d4")
WORK = ("-e", "p:w ./loop:work a=%x0")


def explained(topic: str, text: str) -> list[str]:
    """The lines about *topic*."""
    start = f"uprobe: {topic}: "
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


@pytest.mark.parametrize("mode", ["trap", "inline", "jump"])
def test_places_say_where_how_and_why(mode: str) -> None:
    done = uprobe("run", "--debug=places", "--mode", mode, "-C", "count", *WORK, "./loop", "1")
    *_, line = explained("places", done.stderr)
    how = {"trap": "breakpoint", "inline": "code hook", "jump": "branch"}[mode]
    assert "uprobes/w (./loop:0x" in line
    assert how in line or "in Python" in line  # without the native engine a branch is a breakpoint
    assert line.endswith("unchanged)")


def test_refused_places_say_why() -> None:
    offset = (EXAMPLES / "loop").read_bytes().index(SVC)
    event = f"p:w ./loop:{offset:#x}"
    done = uprobe("run", "--debug=places", "--policy", "kernel", "-e", event, "./loop", "1")
    line, *_ = explained("places", done.stderr)
    assert line.startswith(f"uprobes/w (./loop:{offset:#x}) refused: cannot probe")


def test_hits_say_what_was_decided() -> None:
    done = uprobe("run", "--debug=hits", "--mode", "trap", *WORK, "./loop", "2")
    lines = explained("hits", done.stderr)
    assert [line.partition(": ")[2].split(" at ")[0] for line in lines] == [
        "stepped in the slot",
        "step done, goes on",
    ] * 2
    assert all(line.startswith("1000/1000 0x") and "uprobes/w" in line for line in lines)


def test_system_calls_are_shown_with_their_results() -> None:
    done = uprobe("run", "--debug=syscalls", "./loop", "1")
    lines = explained("syscalls", done.stderr)
    assert any(line.startswith("1000/1000 writev(0x1, ") and line.endswith(" = 6") for line in lines)
    assert lines[-1] == "1000/1000 exit_group(0x0) = ?"


def test_a_system_call_that_is_not_there_is_marked() -> None:
    lines = explained("syscalls", uprobe("run", "--debug=syscalls", str(zig("strangers.c"))).stderr)
    marked = [line for line in lines if "499 (not there)" in line]
    assert [line.split()[0] for line in marked] == ["1000/1000", "1001/1001"]
    assert all(line.endswith("= -1 ENOSYS") for line in marked)


def test_debug_counts_system_calls_that_are_not_there_over_all_processes() -> None:
    done = uprobe("run", "--debug", str(zig("strangers.c")))
    (line,) = explained("statistics", done.stderr)
    assert "2 unknown-syscalls, 2 unknown:499" in line


def test_without_debug_nothing_is_said() -> None:
    assert uprobe("run", str(zig("strangers.c"))).stderr == ""


def test_the_word_after_debug_is_not_its_value() -> None:
    done = uprobe("run", "--debug", "./loop", "1")
    assert done.returncode == 0


def test_something_else_cannot_be_explained() -> None:
    done = uprobe("run", "--debug=colours", "./loop", "1")
    assert done.returncode == 2
    assert "there are hits, places, syscalls" in done.stderr
