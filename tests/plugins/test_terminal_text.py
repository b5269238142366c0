"""Lines on a terminal: they fit, nothing of them is lost, and elsewhere they are as they were."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_counter.coverage import CoverageReport
from uprobe_counter.graph import GraphReport
from uprobe_counter.report import bars, counts, statistics
from uprobe_counter.summary import SummaryReport

from tests.programs import zig
from uprobe_core.actions import CallSummary
from uprobe_core.cli import COMMANDS, build_parser
from uprobe_core.terminal_text import cells, fitted

WIDTHS = st.sampled_from([60, 80, 120, 200])
NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x3FFF, categories=["L", "Nd"]), min_size=1)
LONG = st.builds(lambda name, times: f"Holder<{name}, int>::" * times + "put", NAMES, st.integers(0, 12))
TIMES = st.integers(0, 10**16)


class Named(NamedTuple):
    """As much of an event as a table takes."""

    readable: str
    full_name: str = "g/e"


def checked(text: str, width: int) -> None:
    """Every line of *text* fits, and says what it said."""
    for line in text.splitlines():
        parts = fitted(line, width)
        assert max(map(cells, parts)) <= width
        assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", line)


@given(LONG, st.lists(TIMES, min_size=7, max_size=7), WIDTHS)
def test_a_summary_fits(name: str, times: list[int], width: int) -> None:
    found = CallSummary(10**12, *times)
    event: Any = Named(name)
    checked(SummaryReport([(event, found)], 0, 3).as_text(), width)


@given(LONG, st.lists(TIMES, min_size=7, max_size=7), st.integers(24, 200))
def test_on_a_terminal_a_function_has_one_line_of_a_summary(name: str, times: list[int], width: int) -> None:
    event: Any = Named(name)
    report = SummaryReport([(event, CallSummary(1, *times))], 0, 0)
    lines = report.fitted(width).splitlines()
    row = lines[2].split("  ")[-1]
    assert cells(lines[2]) <= width
    assert row == name or re.fullmatch(r"(.+)…(.+)", row)
    head, _, end = row.partition("…")
    assert name.startswith(head)
    assert name.endswith(end)


def summary_on(width: int, sort: str = "total") -> list[str]:
    """A summary of two functions on a terminal that wide."""
    one, other = CallSummary(1631, 14388000, 5092000, 8821, 595, 670, 143568, 5997000), CallSummary(*[1] * 8)
    rows: Any = [(Named("python3_11/PyObject_CallMethodObjArgs"), one), (Named("app/main"), other)]
    return SummaryReport(rows, 0, 0, sort).fitted(width).splitlines()[1:]


def test_a_narrow_terminal_has_shorter_times_then_shorter_names_and_fewer_columns() -> None:
    assert [" ".join(summary_on(width)[1].split()) for width in (100, 90, 80)] == [
        "1631 14.388 ms 5.092 ms 8.821 us 143.568 us 5.997 ms python3_11/PyObject_CallMethodObjArgs",
        "1631 14.4ms 5.09ms 8.82us 144us 6.00ms python3_11/PyObject_CallMethodObjArgs",
        "1631 14.4ms 5.09ms 8.82us 144us 6.00ms python3_11/PyObj…llMethodObjArgs",
    ]
    assert summary_on(60)[0].split() == ["calls", "total", "own", "function"]
    assert summary_on(60)[-1] == "  no room for mean, p99, max"


def test_the_column_that_a_table_is_sorted_by_stays() -> None:
    assert summary_on(60, "p99")[0].split() == ["calls", "total", "p99", "function"]


@given(LONG, TIMES, st.integers(1, 60), WIDTHS)
def test_a_graph_fits(name: str, time: int, depth: int, width: int) -> None:
    found = {(name,) * level: (7, time) for level in range(1, depth + 1)}
    checked(GraphReport(found, None, 0, 0).as_text(), width)


@given(LONG, TIMES, WIDTHS)
def test_counts_sums_and_bars_fit(name: str, number: int, width: int) -> None:
    for lines in (
        counts({name: number, "": 1})[0],
        statistics({name: {"count": number, "sum": number**2, "min": -number, "max": 1, "avg": 0.5}})[0],
        bars({name: {number: 9, -number: 1}}, lambda low: low * 2)[0],
    ):
        checked("\n".join(lines), width)


def test_what_has_no_file_to_show_fits_too() -> None:
    checked(CoverageReport([], "x" * 200, "name", 0, whole=False).as_text(), 80)


def test_a_last_cell_goes_on_below_its_beginning_or_below_its_line() -> None:
    assert fitted("  10  alpha beta gamma delta epsilon zeta", 32) == [
        "  10  alpha beta gamma delta",
        "      epsilon zeta",
    ]
    assert fitted("  10  123456789 ms  123456789 ms  python3/PyImport_Import", 44) == [
        "  10  123456789 ms  123456789 ms",
        "        python3/PyImport_Import",
    ]


@pytest.mark.parametrize("text", ["日本語" * 30, "\x1b[1mname\x1b[0m(" + "a" * 100 + ")", "e\u0301" * 100])
def test_columns_are_counted_and_not_characters(text: str) -> None:
    assert len(fitted(text, 60)) == -(-cells(text) // 60)
    checked(text, 60)


def on_a_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines of the command on a terminal that wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *arguments]
    environ = {**os.environ, "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # EIO: nobody has it any more
                break
            found += part
            if not part:
                break
        process.wait(60)
    os.close(ours)
    return found.decode().replace("\r", "").splitlines()


def test_tables_and_trees_fit_the_terminal_that_they_are_on(tmp_path: Path) -> None:
    program = str(zig("calls_often.c"))
    for options in (("-C", "summary"), ()):
        lines = on_a_terminal(50, "-F", "main", "-F", "around", "-S", *options, "--", program, "2")
        assert any("main" in line for line in lines)
        assert max(map(cells, lines)) <= 50


def test_no_colour_of_a_tree_is_hard_to_read_on_white_or_black() -> None:
    lines = on_a_terminal(80, "-F", "main", "-F", "around", "--", str(zig("calls_often.c")), "2")
    codes = {code for line in lines for code in re.findall("\x1b\\[([0-9;]+)m", line)}
    assert codes <= {"0", "1", "2", "1;31", "35"}
    assert "1" in codes


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but examples, which are to be copied."""
    monkeypatch.setenv("COLUMNS", str(columns))
    helps = [build_parser(name).format_help() for name in (None, *COMMANDS)]
    lines = [line for text in helps for line in text.splitlines()]
    assert [line for line in lines if len(line) > columns and "  uprobe " not in line] == []
    assert any(len(line) > columns - 10 for line in lines)
