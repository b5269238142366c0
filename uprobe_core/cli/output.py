"""Small pieces of output that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ("print_json", "print_table")


def print_json(document: Any) -> None:
    """One JSON document on standard output, for scripts."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Columns aligned to the left, two spaces apart; the last one is not padded."""
    table = [list(row) for row in rows]
    if header:
        table.insert(0, list(header))
    if not table:
        return
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())
