"""The writers that come with uprobe: JSON lines, CSV, Chrome trace events, folded stacks, Parquet."""

from __future__ import annotations

from uprobe_writers.chrome import ChromeWriter
from uprobe_writers.csv_table import CsvWriter
from uprobe_writers.folded import FoldedWriter
from uprobe_writers.jsonl import JsonlWriter
from uprobe_writers.parquet import ParquetWriter

__all__ = ("ChromeWriter", "CsvWriter", "FoldedWriter", "JsonlWriter", "ParquetWriter")
