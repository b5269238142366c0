"""Parquet, for data frames: needs pyarrow (the extra ``uprobe[parquet]``), imported when it is used."""

from __future__ import annotations

from typing import Any, BinaryIO

from uprobe_core.errors import PluginError
from uprobe_core.writer import EventSpec, Record, RunHeader, Value, escaped, escaped_value
from uprobe_writers.columns import column_of

__all__ = ("ParquetWriter",)

_BATCH = 10_000


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as _  # noqa: F401  # makes pa.parquet available
    except ImportError as error:
        raise PluginError(
            f"the parquet writer needs pyarrow: {error}",
            plugin="parquet",
            hint="pip install 'uprobe[parquet]'",
            slug="missing-extra",
        ) from error
    return pa


class ParquetWriter:
    """Writes a table with a column for every argument name; arguments of one name share a type."""

    until_closed = "jsonl"

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._arrow = arrow = _pyarrow()
        self._types = _argument_types(header.events)
        fixed = [
            ("event", arrow.string()),
            ("timestamp_ns", arrow.int64()),
            ("pid", arrow.int32()),
            ("tid", arrow.int32()),
            ("comm", arrow.string()),
            ("cpu", arrow.int32()),
            ("ip", arrow.uint64()),
            ("function", arrow.uint64()),
        ]
        columns = [(column_of(name), self._arrow_type(kind)) for name, kind in self._types.items()]
        self._schema = arrow.schema([*fixed, *columns])
        self._writer = arrow.parquet.ParquetWriter(stream, self._schema)
        self._rows: list[dict[str, Any]] = []

    def _arrow_type(self, kind: str) -> Any:
        arrow = self._arrow
        if kind.endswith("[]"):
            return arrow.list_(self._arrow_type(kind[:-2]))
        return {
            "s": arrow.int64(),
            "f": arrow.float64(),
            **dict.fromkeys(("string", "shape"), arrow.string()),
        }.get(kind, arrow.uint64())

    def write(self, record: Record) -> None:
        """Add a row; rows are handed over in batches."""
        row: dict[str, Any] = {
            "event": record.event.full_name,
            "timestamp_ns": record.timestamp_ns,
            "pid": record.pid,
            "tid": record.tid,
            "comm": escaped(record.comm),
            "cpu": record.cpu,
            "ip": record.ip,
            "function": record.function,
        }
        for arg, value in zip(record.event.args, record.values, strict=True):
            row[column_of(arg.name)] = _cell(self._types[arg.name], value)
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        """Write what is left and the footer."""
        self._flush()
        self._writer.close()


def _cell(kind: str, value: Value) -> Any:
    """A value for a column of *kind*; None is null."""
    return str(value) if kind == "string" and not isinstance(value, str | None) else escaped_value(value)


def _argument_types(events: Any) -> dict[str, str]:
    """Kind of each argument name: that of its first event, text where events disagree."""
    types: dict[str, str] = {}
    event: EventSpec
    for event in events:
        for arg in event.args:
            kind = arg.type.kind + ("[]" if arg.count else "")
            if types.setdefault(arg.name, kind) != kind:
                types[arg.name] = "string"
    return types
