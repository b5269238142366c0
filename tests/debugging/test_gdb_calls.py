"""``catch syscall``: gdb's words are those over gdbserver; backwards the stops come in the opposite order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.debugging.packets import Asked, exchange
from tests.debugging.visits import run_gdb, started, visit
from tests.programs import GUEST, compiled, either

PROGRAM = """
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static void on(int number) { (void)number; }
int main(void) {
  struct itimerval soon = {.it_value = {.tv_usec = 200000}};
  struct timespec long_time = {.tv_sec = 30};
  signal(SIGALRM, on);
  write(1, "one\\n", 4);
  getppid();
  setitimer(ITIMER_REAL, &soon, 0);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, 0);
  syscall(4000, 1, 2);
  write(1, "two\\n", 4);
  return errno == ENOSYS ? 3 : 4;
}
"""
START = ["break main", "continue", "delete"]
CATCH = [f"catch syscall {name}" for name in ("write", "getppid", "clock_nanosleep", "4000", "exit_group")]
WAYS = ["", pytest.param("--engine py --mode trap", marks=pytest.mark.thorough)]
STOPS = 10
"""Two of each call of the program but the last, which has no answer."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("calls") / "calls.c"
    file.write_text(PROGRAM)
    return file


def stops(said: str) -> list[str]:
    """What gdb told its user of stops, without places, which depend on the C library."""
    what = r"catchpoint \d+ \([a-z ]+ syscall \w+\)|Program received signal .*,|exited with code \d+"
    return re.findall(what, said, re.IGNORECASE)


def over_gdbserver(source: Path, steps: Sequence[str], folder: Path) -> tuple[list[str], list[str]]:
    """What gdb says to *steps* over gdbserver, of the source on this machine's processor; its stops."""
    if shutil.which("gdbserver") is None:
        pytest.skip("needs gdbserver")
    theirs = compiled(["gcc", "-O1", "-g", "-static"], source)
    seen = run_gdb([f"file {theirs}", f"target remote | gdbserver - {theirs}"], steps, folder)
    return seen, stops((folder / "said").read_text())


@pytest.mark.parametrize("way", WAYS)
def test_calls_stop_as_over_gdbserver(way: str, source: Path, tmp_path: Path) -> None:
    """Made and answered, interrupted by a signal, one that is not there, the last; a temporary catch once."""
    steps = [*START, "handle SIGALRM stop print pass", *CATCH, "tcatch syscall setitimer"]
    steps += ["continue"] * (STOPS + 3)
    theirs, expected = over_gdbserver(source, [*steps, "info breakpoints", "continue"], tmp_path)
    program = either(source)
    seen, ended = visit(
        program, [*way.split(), str(program)], [*steps, "info breakpoints", "continue"], tmp_path
    )
    assert stops(ended.said) == expected
    assert seen[-2] == theirs[-2]
    assert len(expected) == STOPS + 4
    assert (ended.status, ended.out) == (3, "one\ntwo\n")


@pytest.mark.parametrize("way", WAYS)
def test_backwards_calls_stop_in_the_opposite_order(way: str, source: Path, tmp_path: Path) -> None:
    program = either(source)
    there, back = ["continue"] * (STOPS - 1), ["reverse-continue"] * (STOPS - 1)
    steps = [*CATCH, "continue", "!state", *there, "!state", *back, "!state", *there, "!state", "kill"]
    seen, ended = visit(program, [*way.split(), str(program)], [*START, *steps], tmp_path)
    first, last, first_again, last_again = (each for each in seen if isinstance(each, dict))
    told = stops(ended.said)
    assert len(told) == 3 * STOPS - 2
    assert [text.split("syscall ")[1] for text in told[:STOPS:2]] == [
        "write)", "getppid)", "clock_nanosleep)", "4000)", "write)"
    ]  # fmt: skip
    assert told[STOPS : 2 * STOPS - 1] == told[STOPS - 2 :: -1]
    assert told[2 * STOPS - 1 :] == told[1:STOPS]
    assert (first_again, last_again) == (first, last)


def test_arguments_that_are_changed_where_a_call_is_made_are_those_of_the_call(
    source: Path, tmp_path: Path
) -> None:
    """And history begins there: back from the answer is where it was made."""
    program = either(source)
    steps = [*START, CATCH[0], "continue", "set $x2 = 2", "continue", "print $x0", "reverse-continue"]
    steps += ["print $x2", "reverse-stepi", "continue", "continue", "print $x2", "kill"]
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    assert ended.out[:3] in ("on", "ont")
    assert [seen[n].partition(" = ")[2] for n in (7, 9, 13)] == ["2", "2", "4"]
    assert "was changed here: what came before does not lead to what came after" in seen[8]
    assert [text.split()[2] for text in stops(ended.said)] == ["(call", "(returned", "(returned", "(call"]


def test_a_step_over_a_call_is_no_stop_at_it(source: Path, tmp_path: Path) -> None:
    """As over gdbserver; from where it is made, a step ends behind it, and back leads to the instruction."""
    program = either(source)
    steps = [*START, CATCH[1], "continue", "stepi", "reverse-stepi", "x/i $pc", "stepi"]
    steps += ["x/i $pc-4", "reverse-stepi", "continue", "kill"]
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    assert "svc" in seen[7]
    assert "svc" in seen[9]
    assert [text.split()[2] for text in stops(ended.said)] == ["(call", "(call"]


def test_calls_of_threads_stop_backwards_too(tmp_path: Path) -> None:
    """They sleep in calls, and are woken in others' turns."""
    program = compiled(
        ["aarch64-linux-gnu-gcc", "-pthread", "-O1", "-g", "-static"], GUEST / "visited_threads.c"
    )
    there, back = ["continue", "!state"] * 4, ["reverse-continue", "!state"] * 3
    steps = ["catch syscall futex", "catch syscall exit", *there, *back, *there[2:], "kill"]
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    states = [each for each in seen if isinstance(each, dict)]
    told = [*zip(stops(ended.said), states, strict=True)]
    assert len({state["thread"] for state in states}) > 1
    assert told[4:7] == told[2::-1]
    assert told[7:] == told[1:4]


def test_what_gdb_asks_to_catch_is_read_from_its_packet(source: Path, tmp_path: Path) -> None:
    with started(["--gdb", "unix:gdb", str(either(source))], tmp_path) as run:
        connection = Asked(run, tmp_path).connect()
        assert b"QCatchSyscalls+" in exchange(connection, b"qSupported:xmlRegisters=i386")
        assert exchange(connection, b"QCatchSyscalls:1;zz") == b"E16"
        assert exchange(connection, b"QCatchSyscalls:0") == b"OK"
        assert exchange(connection, b"QCatchSyscalls:1") == b"OK"
        assert exchange(connection, b"c").startswith(b"T05syscall_entry:")
        assert exchange(connection, b"QCatchSyscalls:1;40;ad") == b"OK"
        assert exchange(connection, b"c").startswith(b"T05syscall_entry:40;")
        assert exchange(connection, b"c").startswith(b"T05syscall_return:40;")
        connection.close()
