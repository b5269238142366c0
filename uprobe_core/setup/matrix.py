"""The matrix of a set-up: what is varied, and the cells that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from uprobe_core.option import Option
from uprobe_core.setup.options import BY_NAME

__all__ = ("MATRIX_VALUES", "Matrix", "MatrixValue", "given_by_cell", "matrix_axis")

MatrixValue = str | int | float | bool | tuple[str, ...]
MATRIX_VALUES = 'a list of strings, numbers or lists of strings, or a range such as "0..99"'
"""What an axis may be, in words."""
_RANGE = re.compile(r"(-?[0-9]{1,18})\.\.(-?[0-9]{1,18})")


@dataclass(frozen=True)
class Matrix:
    """The product of its axes; the last one varies fastest, as in nested loops.

    :param axes: by name the values, at least one each
    """

    axes: Mapping[str, tuple[MatrixValue, ...] | range]

    def __len__(self) -> int:
        return prod(map(len, self.axes.values())) if self.axes else 0

    def cell(self, index: int) -> dict[str, MatrixValue]:
        """The values of cell *index*, from 0 to the length exclusive."""
        found: dict[str, MatrixValue] = {}
        for name in reversed(tuple(self.axes)):
            index, at = divmod(index, len(self.axes[name]))
            found[name] = self.axes[name][at]
        return {name: found[name] for name in self.axes}


def matrix_axis(value: Any) -> tuple[MatrixValue, ...] | range | None:
    """The values of one axis; None if it is none of MATRIX_VALUES."""
    if isinstance(value, str):
        found = _RANGE.fullmatch(value)
        values = None if found is None else range(int(found[1]), int(found[2]) + 1)
        return values or None
    if not isinstance(value, list) or not value:
        return None
    items = [_item(each) for each in value]
    return None if None in items else tuple(item for item in items if item is not None)


def _item(value: Any) -> MatrixValue | None:
    if isinstance(value, list):
        return tuple(value) if all(isinstance(each, str) for each in value) else None
    return value if isinstance(value, str | int | float) else None


def given_by_cell(cell: Mapping[str, Any], argv: tuple[str, ...]) -> dict[str, Any]:
    """What a cell says, by option: ``program`` and ``args`` in place of *argv*'s, and options that it names.

    Raises ValueError or UsageError for a value that its option cannot have.
    """
    given: dict[str, Any] = {}
    for name, value in cell.items():
        row = BY_NAME.get(name.replace("-", "_"))
        if row is not None and row.name != "argv":
            given[row.name] = _option(row, value)
    if "program" in cell or "args" in cell:
        program = (str(cell["program"]),) if "program" in cell else argv[:1]
        args = cell.get("args", argv[1:])
        given["argv"] = (*program, *(args if isinstance(args, tuple) else (str(args),)))
    return given


def _option(row: Option, value: Any) -> Any:
    if row.is_switch:
        if not isinstance(value, bool):
            raise ValueError(f"{row.name} {value!r} is not true or false")
        return value
    return row.given(str(value))[row.name]
