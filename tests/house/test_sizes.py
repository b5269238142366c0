"""Files hold one decision and functions fit on a screen."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.house.imports import modules
from tests.programs import ROOT

TABLES = frozenset(
    {
        "system_call_numbers.py",
        "decode_table.py",
        "table_load_store.py",
        "run_setup.py",
        "tiny_programs.py",
        "other_rows.py",
    }
)
"""Rows of one thing, which nobody reads from top to bottom."""


def sources() -> list[Path]:
    c = [
        file
        for room in ("uprobe_core", "backends")
        for end in "ch"
        for file in (ROOT / room).rglob(f"*.{end}")
    ]
    return [*modules().values(), *c]


def functions() -> Iterator[tuple[str, int]]:
    """(where, lines) of every function."""
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_file_is_longer_than_four_hundred_lines_but_tables() -> None:
    lengths = {
        str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in sources() if f.name not in TABLES
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_no_function_is_longer_than_fifty_lines_and_most_are_shorter_than_eight() -> None:
    found = dict(functions())
    assert {name: lines for name, lines in found.items() if lines > 50} == {}
    assert statistics.median(found.values()) <= 7
