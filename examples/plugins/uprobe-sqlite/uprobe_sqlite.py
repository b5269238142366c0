"""``--format sqlite``: a database with a table for each event, and a view ``hits`` over all of them.

A table is called as its event (``uprobes/work``) and has a column for each argument. The database is made in
memory and handed over at the end, because a writer has a stream and no file of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import BinaryIO

from uprobe_core.writer import GONE, EventSpec, Record, RunHeader, Value, escaped

__all__ = ("SqliteWriter",)

COLUMNS = {
    "number": "INTEGER PRIMARY KEY",  # in the order of hits, over all tables
    "timestamp_ns": "INTEGER",
    "pid": "INTEGER",
    "tid": "INTEGER",
    "comm": "TEXT",
    "cpu": "INTEGER",
    "ip": "INTEGER",
    "function": "INTEGER",
}


class SqliteWriter:
    """Constructed with the open stream and what is known of the run."""

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self.stream = stream
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.execute("BEGIN")
        self.database.execute("CREATE TABLE run (argument TEXT)")
        self.database.executemany("INSERT INTO run VALUES (?)", [(escaped(word),) for word in header.argv])
        self.inserts: dict[str, str] = {}
        """The statement that adds a hit, by table."""
        self.number = 0
        for event in header.events:
            self._table(event)

    def write(self, record: Record) -> None:
        insert = self._table(record.event)
        self.number += 1
        common = (
            self.number,
            record.timestamp_ns,
            record.pid,
            record.tid,
            escaped(record.comm),
            record.cpu,
            _cell(record.ip),
            _cell(record.function),
        )
        self.database.execute(insert, (*common, *map(_cell, record.values)))

    def lost(self, count: int) -> None:
        self.database.execute("CREATE TABLE lost (records INTEGER)")
        self.database.execute("INSERT INTO lost VALUES (?)", (count,))

    def close(self) -> None:
        common = ", ".join(COLUMNS)
        each = [
            f"SELECT {_text(name)} AS event, {common} FROM {_quoted(name)}" for name in sorted(self.inserts)
        ]
        if each:
            self.database.execute(f"CREATE VIEW hits AS {' UNION ALL '.join(each)} ORDER BY number")
        self.database.execute("COMMIT")
        self.stream.write(self.database.serialize())
        self.database.close()

    def _table(self, event: EventSpec) -> str:
        """The statement that adds a hit of *event*, whose table is there afterwards."""
        name = f"{event.group}/{event.name}"
        if name not in self.inserts:
            columns = dict(COLUMNS)
            for arg in event.args:
                columns[_free(arg.name, columns)] = ""
            rows = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns.items())
            self.database.execute(f"CREATE TABLE {_quoted(name)} ({rows})")
            marks = ", ".join("?" * len(columns))
            self.inserts[name] = f"INSERT INTO {_quoted(name)} VALUES ({marks})"
        return self.inserts[name]


def _cell(value: Value) -> int | float | str | None:
    """A value as SQLite has it: NULL is what could not be read, or what the program did not keep; whole
    numbers end at 2**63 - 1, and those beyond are decimal text.
    """
    if value is GONE:
        return None
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, tuple):
        return _list(value)
    return value


def _list(values: Iterable[Value]) -> str:
    return "{" + ",".join("" if value is None else str(_cell(value)) for value in values) + "}"


def _free(name: str, taken: dict[str, str]) -> str:
    """*name*, with underscores behind it until no column is called so; SQLite ignores case."""
    folded = {column.lower() for column in taken}
    while name.lower() in folded:
        name += "_"
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
