"""Conditions of breakpoints: the stub decides them as gdb does, forwards and backwards."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.debugging.packets import Asked, exchange
from tests.debugging.visits import run_gdb, started, visit
from tests.programs import compiled, either
from uprobe_core.debugging.agent import AgentError, evaluate
from uprobe_core.debugging.wanted import NOTHING, conditions_of
from uprobe_core.types import Access, FaultKind, MemoryFault

CONDITIONS = (
    "i == 3",
    "i > 2 && big < 0",
    "i < 1 || i >= 5",
    "!(i & 1)",
    "w->name[i % 4] == 'c'",
    "w->next && w->next->level * 3 - 1 == i + 4",
    "u / 3 > 1431655764 && u % 3 == i % 3",
    "big / 7 == -i",
    "-big % 7 == 2",
    "big >> 2 < -8 && (u >> 31) == 1",
    "(i << 30) > 0 && ~i != -3",
    "(i ^ 5) == (i | 5) - i",
    "(signed char) (u + i) < -1 ? i == 4 : i == 1",
    "(unsigned short) big > 65500",
    "$sp > $x1 && $w0 == 2",
    "total == 3",
)
"""What one asks of numbers, pointers, structures and registers."""
BY_GDB = 2
"""Of how many it makes no code, and decides itself: a remainder as an index, and pseudo registers."""
ROUNDS = 6
BACK = 5
HEAD = """
struct item { struct item *next; char name[5]; short level; };
static struct item last = {0, "tail", 3}, first = {&last, "abcd", 9};
volatile int total;
"""
FUNCTION = (
    '__attribute__((noinline)) void f{0}(int i, struct item *w, long big, unsigned u) {{ __asm__ volatile(""'
    ' :: "r"(w), "r"(big), "r"(u)); total = i; }}\n'
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each round calls a function for each condition."""
    numbers = range(len(CONDITIONS))
    calls = "".join(f"f{n}(i, &first, -9 * i, 0xffffffffu - i);" for n in numbers)
    text = HEAD + "".join(map(FUNCTION.format, numbers))
    text += f"int main(void) {{ for (int i = 0; i < {ROUNDS}; i++) {{ {calls} }} return 0; }}\n"
    source = tmp_path_factory.mktemp("conditions") / "conditions.c"
    source.write_text(text)
    return either(source)


def stops(said: str) -> list[str]:
    """Breakpoints that gdb told its user of, with the first argument."""
    return re.findall(r"Breakpoint \d+, f\d+ \(i=(?:i@entry=)?\d+", said)


@pytest.mark.slow
def test_the_stub_decides_as_gdb_does(program: Path, tmp_path: Path) -> None:
    """Each condition at a place of its own; gdb's own decisions, of all hits, are the reference."""
    breaks = [f"break f{n} if {text}" for n, text in enumerate(CONDITIONS)]
    by_gdb = ["set breakpoint condition-evaluation host", *breaks, *["continue"] * ROUNDS * len(CONDITIONS)]
    _, expected = visit(program, [str(program)], by_gdb, tmp_path)
    told = stops(expected.said)
    assert len({text.split(",")[0] for text in told}) == len(CONDITIONS)
    steps = [*breaks, *["continue"] * len(told), "info breakpoints", *["reverse-continue"] * BACK, "kill"]
    seen, found = visit(program, [str(program)], steps, tmp_path)
    assert stops(found.said) == [*told, *told[-2 : -2 - BACK : -1]]
    assert seen[-2 - BACK].count("(target evals)") == len(CONDITIONS) - BY_GDB


def test_a_step_ends_where_a_condition_does_not_hold(program: Path, tmp_path: Path) -> None:
    steps = ["break f1 if i == 3", "continue", "finish", "delete", "break *$pc+4 if $x29 == 1"]
    steps += [
        "set $from = $pc",
        "stepi",
        "print $pc - $from",
        "info breakpoints",
        "stepi",
        "print $pc - $from",
        "kill",
    ]
    seen, _ = visit(program, [str(program)], steps, tmp_path)
    assert [seen[n].partition(" = ")[2] for n in (7, 10)] == ["4", "8"]
    assert "(target evals)" in seen[8]
    assert "already hit" not in seen[8]


def test_memory_that_is_not_there_stops_with_gdbs_own_words(tmp_path: Path) -> None:
    """As where gdb decides; gdbserver takes what it cannot read for something."""
    if shutil.which("gdbserver") is None:
        pytest.skip("needs gdbserver")
    source = tmp_path / "reads.c"
    source.write_text(READS)
    steps = ["break f if *none == 3", "continue", "continue", "info breakpoints", "kill"]
    theirs = compiled(["gcc", "-O1", "-g", "-static"], source)
    attach = [f"file {theirs}", f"target remote | gdbserver - {theirs}"]
    expected = run_gdb([*attach, "set breakpoint condition-evaluation host"], steps, tmp_path)
    seen, _ = visit(either(source), [str(either(source))], steps, tmp_path)
    assert "target evals" in seen[3]
    assert "Cannot access memory at address 0x0" in expected[1]
    assert seen[1:3] == expected[1:3]


READS = """volatile int *none;
__attribute__((noinline)) void f(int i) { __asm__ volatile(""); }
int main(void) { for (int i = 0; i < 4; i++) f(i); return 0; }
"""


class Nowhere:
    """A stopped thread whose registers are their numbers, and whose memory is missing."""

    def register(self, tid: int, number: int) -> bytes:
        """Of Moment."""
        return number.to_bytes(16 if number >= 64 else 8, "little")

    def read(self, address: int, size: int) -> bytes:
        """Of Moment."""
        if address:
            return b"\xff" * (size - 1)
        raise MemoryFault(address, Access.READ, FaultKind.MAPERR)


@pytest.mark.parametrize(
    "code",
    [
        "27",  # nothing on the stack
        "2201",  # no end
        "23",  # an operand is missing
        "210000",  # goto itself, for ever
        "2201280a210002",  # a stack that grows
        "2201220005" + "27",  # a division by zero
        "220122400927",  # a shift by 64
        "2201160027",  # an extension of no bits
        "2201190c27",  # trace operations
        "0127",  # float
        "2200320527",  # deeper than the stack
        "22011927",  # memory that ends
        "26004027",  # a register of 128 bits
    ],
)
def test_what_cannot_be_evaluated_stops(code: str) -> None:
    with pytest.raises(AgentError):
        evaluate(bytes.fromhex(code), Nowhere(), 1)
    assert NOTHING._replace(breakpoints={8: (bytes.fromhex(code),)}).is_hit(Nowhere(), 1, 8)


def test_memory_that_is_missing_stops() -> None:
    with pytest.raises(MemoryFault):
        evaluate(bytes.fromhex("22001927"), Nowhere(), 1)
    assert NOTHING._replace(breakpoints={8: (bytes.fromhex("22001927"),)}).is_hit(Nowhere(), 1, 8)


def test_one_of_several_conditions_is_enough() -> None:
    false, true = bytes.fromhex("220027"), bytes.fromhex("220127")
    for conditions, hit in (((), True), ((false,), False), ((false, true), True), ((false, false), False)):
        assert NOTHING._replace(breakpoints={8: conditions}).is_hit(Nowhere(), 1, 8) is hit
    assert conditions_of([b"X3,220027X3,220127", b"X1,27"]) == (false, true, b"\x27")


def test_a_broken_condition_is_refused(program: Path, tmp_path: Path) -> None:
    with started(["--gdb", "unix:gdb", str(program)], tmp_path) as run:
        connection = Asked(run, tmp_path).connect()
        assert b"ConditionalBreakpoints+" in exchange(connection, b"qSupported:")
        for wrong in (b"X9,27", b"Y1,27", b"X1", b"X1,zz"):
            assert exchange(connection, b"Z0,%x,4;%b" % (0x400000, wrong)) == b"E16"
        connection.close()
