"""Our writers pass what we ask of everybody's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from uprobe_core.discovery.entries import Kind, names
from uprobe_core.discovery.importing import import_plugin
from uprobe_core.discovery.load import choose
from uprobe_core.testing.compliance import WriterCompliance


def _jsonl(data: bytes) -> Sequence[Mapping[str, Any]]:
    rows = [json.loads(line) for line in data.splitlines()]
    return [{"event": row["event"], **row["args"]} for row in rows if "event" in row]


READERS = {"jsonl": _jsonl}


class TestShipped(WriterCompliance):
    """Each of them, through its entry point."""

    @pytest.fixture(params=[name for name in names(Kind.WRITER) if name != "parquet"])
    def name(self, request: pytest.FixtureRequest) -> str:
        name: str = request.param
        return name

    @pytest.fixture
    def writer_class(self, name: str) -> Any:
        return import_plugin(choose(Kind.WRITER, name))

    @pytest.fixture
    def read_back(self, name: str) -> Any:
        return READERS.get(name)


def test_csv_has_a_row_for_each_record() -> None:
    from uprobe_core.testing.compliance.writer import BARE, ENTRY, RETURN, record
    from uprobe_core.writer import RunHeader

    stream = io.BytesIO()
    writer = import_plugin(choose(Kind.WRITER, "csv"))(stream, RunHeader(["x"], [ENTRY, RETURN, BARE]))
    for values in ((1, 'a "b", c'), (2, "d\ne")):
        writer.write(record(ENTRY, values))
    writer.close()
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode())))
    assert [row["a"] for row in rows] == ["1", "2"]
