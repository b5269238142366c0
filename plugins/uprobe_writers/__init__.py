"""The writers that come with uprobe, each a format of ``--format``."""

from __future__ import annotations

from uprobe_writers.chrome import ChromeWriter
from uprobe_writers.csv_table import CsvWriter
from uprobe_writers.flame_svg import FlameWriter
from uprobe_writers.folded import FoldedWriter
from uprobe_writers.jsonl import JsonlWriter
from uprobe_writers.parquet import ParquetWriter
from uprobe_writers.perfetto import PerfettoWriter
from uprobe_writers.speedscope import SpeedscopeWriter
from uprobe_writers.tree import TreeWriter

__all__ = (
    "ChromeWriter",
    "CsvWriter",
    "FlameWriter",
    "FoldedWriter",
    "JsonlWriter",
    "ParquetWriter",
    "PerfettoWriter",
    "SpeedscopeWriter",
    "TreeWriter",
)
