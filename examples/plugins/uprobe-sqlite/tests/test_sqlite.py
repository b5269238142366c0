"""The SQLite writer: the rules for every writer, and a database that sqlite3 opens."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from uprobe_sqlite import SqliteWriter

from uprobe_core.testing.compliance import WriterCompliance

EXAMPLES = Path(__file__).parents[3]
RUN = (sys.executable, "-m", "uprobe_core.cli", "run", "--format", "sqlite", "-o")
EVENT = "p:work ./loop:work a=%x0 name=+0(+8(%x1)):string"


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """All hits of a database in order, each with the columns of its table."""
    database = sqlite3.connect(":memory:")
    database.deserialize(data)
    database.row_factory = sqlite3.Row
    found: list[dict[str, Any]] = []
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        if table not in {"run", "lost"}:
            found += [{"event": table, **dict(row)} for row in database.execute(f'SELECT * FROM "{table}"')]
    return sorted(found, key=lambda row: row["number"])


class TestSqlite(WriterCompliance):
    """What every writer must do."""

    @pytest.fixture
    def writer_class(self) -> Any:
        return SqliteWriter

    @pytest.fixture
    def read_back(self) -> Callable[[bytes], Sequence[Mapping[str, Any]]]:
        def read(data: bytes) -> list[dict[str, Any]]:
            """Numbers that SQLite cannot hold are decimal text in the database, lists text in braces."""
            rows = rows_of(data)
            for row in rows:
                if isinstance(row.get("a"), str):
                    row["a"] = int(row["a"])
                if "l" in row:
                    row["l"] = [int(each) for each in row["l"].strip("{}").split(",")]
            return rows

        return read


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    """A run of examples/loop, opened as anybody would."""
    path = tmp_path / "run.db"
    command = [
        sys.executable,
        "-m",
        "uprobe_core.cli",
        "run",
        "--format",
        "sqlite",
        "-o",
        str(path),
        "-e",
        EVENT,
    ]
    subprocess.run([*command, "--", "./loop", "6"], cwd=EXAMPLES, check=True, timeout=60)
    return sqlite3.connect(path)


def test_an_event_is_a_table_with_its_arguments(database: sqlite3.Connection) -> None:
    found = database.execute('SELECT name, count(*), sum(a) FROM "uprobes/work" GROUP BY name ORDER BY name')
    assert list(found) == [("one", 2, 6), ("three", 1, 3), ("two", 1, 2), ("zero", 2, 4)]


def test_all_hits_are_a_view_in_their_order(database: sqlite3.Connection) -> None:
    found = list(database.execute("SELECT event, number, comm FROM hits"))
    assert found == [("uprobes/work", number, "loop") for number in range(1, 7)]


def test_the_command_is_kept(database: sqlite3.Connection) -> None:
    assert [word for (word,) in database.execute("SELECT argument FROM run")] == ["./loop", "6"]


def test_an_argument_that_is_called_as_a_column_of_all_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    event = "p:work ./loop:work PID=%x0"
    subprocess.run([*RUN, path, "-e", event, "--", "./loop", "2"], cwd=EXAMPLES, check=True, timeout=60)
    found = sqlite3.connect(path).execute('SELECT PID_ FROM "uprobes/work"')
    assert list(found) == [(0,), (1,)]
