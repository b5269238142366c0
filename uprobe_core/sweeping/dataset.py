"""What a sweep found, as Parquet: ``cells``, ``events`` and ``records``, in parts of consecutive cells.

A part is written once all of its cells are there, sorted by cell, under a name
of its own that is renamed: it is there whole or not at all, and depends on
nothing but its cells.  Until then each result is a line of the part's journal,
so that nothing that was done is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from uprobe_core.errors import PluginError
from uprobe_core.sweeping.cells import SCHEMA, Cell

__all__ = ("TABLES", "DataSet", "entry_of")

_BEFORE = "before.jsonl"
"""Results of another sweep in the same folder, some of which may be cells of this one."""
TABLES = ("records", "events", "cells")
"""In the order in which a part's files are written: one whose cells are there is complete."""


def _pyarrow() -> Any:
    """The package pyarrow; raises PluginError where it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as _  # noqa: F401  # makes pa.parquet available
    except ImportError as error:
        raise PluginError(
            f"a sweep needs pyarrow: {error}",
            plugin="sweep",
            hint="pip install 'uprobe[farm]'",
            slug="missing-extra",
        ) from error
    return pa


class DataSet:
    """The folder of one sweep.

    :param axes: the columns of what is varied
    :param part: cells of a part
    """

    def __init__(self, folder: str, axes: Sequence[str], part: int, *, records: bool) -> None:
        self._arrow = _pyarrow()
        self.folder, self.axes, self.part = Path(folder), tuple(axes), part
        self._tables = TABLES if records else TABLES[1:]
        for name in (*self._tables, "journal"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    # --- what is there already ----------------------------------------------------------------------------

    def keys(self, number: int) -> list[str] | None:
        """The keys of a part that is complete, in order; None if it is not."""
        path = self._path("cells", number)
        if not path.exists() or self._journal_path(number).exists():
            return None
        keys: list[str] = self._arrow.parquet.read_table(path, columns=["cell"])["cell"].to_pylist()
        return keys

    def done(self, number: int) -> set[str]:
        """The keys of results in the journal of part *number*."""
        return {entry["row"]["cell"] for entry in self._lines(self._journal_path(number))}

    def displace(self, first: int) -> None:
        """Parts from *first* on are of another sweep: their results are kept by the key of their cell."""
        store = self.folder / "journal" / _BEFORE
        for path in sorted((self.folder / "cells").glob("part-*.parquet")):
            number = int(path.stem.partition("-")[2])
            if number >= first:
                if not self._journal_path(number).exists():
                    self._append(store, self._entries(number))
                for table in reversed(self._tables):  # the cells first: without them the others do not count
                    self._path(table, number).unlink(missing_ok=True)
        for path in sorted((self.folder / "journal").glob("part-*.jsonl")):
            if int(path.stem.partition("-")[2]) >= first:
                self._append(store, self._lines(path))
                path.unlink()

    def recall(self, number: int, keys: set[str]) -> None:
        """Put what was displaced of *keys* into the journal of part *number*."""
        store = self.folder / "journal" / _BEFORE
        if keys and store.exists():
            found = (entry for entry in self._lines(store) if entry["row"]["cell"] in keys)
            self._append(self._journal_path(number), found)

    def forget(self, count: int) -> None:
        """The sweep has *count* parts, and all are there."""
        self.displace(count)
        (self.folder / "journal" / _BEFORE).unlink(missing_ok=True)

    def _entries(self, number: int) -> Iterator[Mapping[str, Any]]:
        """What a written part was made of."""
        found = {table: self._rows(table, number) for table in self._tables}
        events, records = (_by_cell(found.get(table, [])) for table in ("events", "records"))
        for row in found["cells"]:
            key = row["cell"]
            yield {"row": row, "events": events.get(key, []), "records": records.get(key, [])}

    def _rows(self, table: str, number: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._arrow.parquet.read_table(self._path(table, number)).to_pylist()
        return rows

    def _path(self, table: str, number: int) -> Path:
        return self.folder / table / f"part-{number:06}.parquet"

    def _journal_path(self, number: int) -> Path:
        return self.folder / "journal" / f"part-{number:06}.jsonl"

    @staticmethod
    def _lines(path: Path) -> Iterator[dict[str, Any]]:
        """The entries of a journal; a line that was cut when its writer was killed is none."""
        try:
            with path.open("rb") as file:
                for line in file:
                    with suppress(ValueError):
                        yield json.loads(line)
        except FileNotFoundError:
            return

    # --- what comes ----------------------------------------------------------------------------------------

    def add(self, number: int, entry: Mapping[str, Any]) -> None:
        """Keep one result of part *number*; it survives us from here on."""
        self._append(self._journal_path(number), [entry])

    @staticmethod
    def _append(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
        with path.open("ab+") as file:
            if file.tell() and not _ends_whole(file):
                file.write(b"\n")
            for entry in entries:
                file.write(json.dumps(entry).encode() + b"\n")

    def finish(self, number: int, cells: Sequence[Cell]) -> None:
        """Write part *number* with what is there of *cells*, in order; with all of them it is complete."""
        there = {entry["row"]["cell"]: entry for entry in self._lines(self._journal_path(number))}
        kept = [(cell, there[cell.key]) for cell in cells if cell.key in there]
        for table in self._tables:
            rows = [{**row, "index": cell.index} for cell, entry in kept for row in _rows_of(table, entry)]
            self._write(table, number, rows)
        if len(kept) == len(cells):
            self._journal_path(number).unlink()

    def _write(self, table: str, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        path = self._path(table, number)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        found = self._arrow.Table.from_pylist(rows, schema=self._schema(table))
        self._arrow.parquet.write_table(found, fresh)
        fresh.rename(path)

    def _schema(self, table: str) -> Any:
        pa = self._arrow
        kinds = {"text": pa.string(), "whole": pa.int64(), "address": pa.uint64()}
        text, whole = kinds["text"], kinds["whole"]
        own = [("cell", text), ("index", whole)]
        columns = {
            "cells": [
                *((name, text) for name in self.axes if name not in _CELLS),
                *((name, kinds[kind]) for name, kind in _CELLS.items()),
            ],
            "events": [
                ("event", text),
                *((name, whole) for name in ("hits", "entries", "returns", "missed", "pending")),
            ],
            "records": [("number", whole), *((name, kinds[kind]) for name, kind in _RECORDS.items())],
        }[table]
        return pa.schema([*own, *columns], metadata={"uprobe.sweep": str(SCHEMA)})


_CELLS = {
    "argv": "text",
    "status": "whole",
    "signal": "whole",
    "reason": "text",
    "error": "text",
    "hits": "whole",
    "unmet": "whole",
    "consumers": "text",
    "expectations": "text",
    "stdout": "text",
    "stderr": "text",
}
"""Columns of a cell beside its axes; an axis of such a name is not repeated."""
_RECORDS = {
    "event": "text",
    "type": "text",
    "timestamp_ns": "whole",
    "pid": "whole",
    "tid": "whole",
    "comm": "text",
    "cpu": "whole",
    "ip": "address",
    "function": "address",
    "args": "text",
}


def entry_of(cell: Cell, found: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a result: the row of the cell, those of its events and records."""
    own = {"cell": cell.key, "index": cell.index}
    events = [{**own, "event": each["name"], **_counts(each)} for each in found["events"]]
    row = {
        **own,
        **{name: _text(value) for name, value in cell.values.items() if name not in _CELLS},
        **{name: found[name] for name in ("status", "signal", "reason", "error", "stdout", "stderr")},
        "argv": json.dumps(list(cell.setup.argv)),
        "hits": sum(each["hits"] for each in events),
        "unmet": sum(not each["held"] for each in found["expectations"]),
        "consumers": json.dumps(found["consumers"], sort_keys=True),
        "expectations": json.dumps(found["expectations"], sort_keys=True),
    }
    records = [
        {**own, "number": number, **{name: _field(record.get(name)) for name in _RECORDS}}
        for number, record in enumerate(found["records"])
    ]
    return {"row": row, "events": events, "records": records}


def _counts(total: Mapping[str, Any]) -> dict[str, int]:
    counts = {name: total[name] for name in ("hits", "entries", "returns", "pending")}
    return counts | {"missed": sum(total["missed"].values())}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _rows_of(table: str, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry["row"]] if table == "cells" else list(entry[table])


def _by_cell(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["cell"], []).append(row)
    return found


def _ends_whole(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
