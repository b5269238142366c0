"""Paths of a set-up file that begin with ``./``: they are relative to the file, wherever a run starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from uprobe_core.events.quoting import place_as_written
from uprobe_core.setup.options import TABLES

__all__ = ("beside", "found", "has_world_of_its_own", "placed")

_LINE = re.compile(r"""(\s*(?:[pr][0-9]*(?::\S*)?\s+)?)(["']?)(\./\S*)(.*)""", re.DOTALL)
"""An event line, or a place alone: what is before the path, its quotation mark, the place, the rest."""


def has_world_of_its_own(data: Mapping[str, Any]) -> bool:
    """Whether the program of a document has a / or a working directory that is not ours."""
    target = data.get("target")
    return isinstance(target, dict) and not target.keys().isdisjoint({"sysroot", "cwd"})


def beside(folder: str, path: str) -> str:
    """*path* as seen from the working directory, where it stands in a file of *folder*."""
    return os.path.join(folder, path[2:]) if path.startswith("./") else path


def found(folder: str, path: str) -> str:
    """The same of something that has to be there: where there is none beside the file, *path* itself."""
    near = beside(folder, path)
    return near if os.path.exists(near) else path


def placed(data: Mapping[str, Any], folder: str, inside: bool) -> dict[str, Any]:
    """A document with every ``./`` path put below *folder*; what is no path of the right kind stays.

    :param inside: the program has a world of its own: paths that it is told are left alone
    """
    placed_data = {name: _table(name, value, folder) for name, value in data.items()}
    events, target = placed_data.get("events"), placed_data.get("target")
    if isinstance(events, list) and not inside:
        placed_data["events"] = [_event(item, folder) for item in events]
    if isinstance(target, dict) and isinstance(target.get("argv"), list) and not inside:
        program = [_input(word, folder) for word in target["argv"][:1]]
        placed_data["target"] = {**target, "argv": [*program, *target["argv"][1:]]}
    programs = placed_data.get("programs")
    if isinstance(programs, dict):
        placed_data["programs"] = {
            name if inside else found(folder, name): placed(each, folder, inside)
            if isinstance(each, dict)
            else each
            for name, each in programs.items()
        }
    return placed_data


def _table(name: str, value: Any, folder: str) -> Any:
    """The options of a table, and the list of files, with their paths."""
    if name == "events-files" and isinstance(value, list):
        return [_input(each, folder) for each in value]
    if name not in TABLES or not isinstance(value, dict):
        return value
    rows = {key: row for key, row in TABLES[name].items() if row.kind.is_path}
    return {key: _option(each, folder) if key in rows else each for key, each in value.items()}


def _option(value: Any, folder: str) -> Any:
    return [_path(each, folder) for each in value] if isinstance(value, list) else _path(value, folder)


def _path(value: Any, folder: str) -> Any:
    return beside(folder, value) if isinstance(value, str) else value


def _input(value: Any, folder: str) -> Any:
    return found(folder, value) if isinstance(value, str) else value


def _event(item: Any, folder: str) -> Any:
    """An event line, or the place in an event table."""
    if isinstance(item, dict):
        return {
            key: _place(each, folder, table=True) if key in ("line", "place") else each
            for key, each in item.items()
        }
    return _place(item, folder)


def _place(value: Any, folder: str, *, table: bool = False) -> Any:
    line = _LINE.fullmatch(value) if isinstance(value, str) else None
    if line is None:
        return value
    before, quote, place, rest = line.groups()
    path, colon, target = place.partition(":")
    moved = found(folder, path.rstrip("\"'")) + path[len(path.rstrip("\"'")) :] + colon + target
    if table and not before.strip():  # a place in a table is no word of a line
        return before + quote + moved + rest
    return before + (f"{quote}{moved}" if quote else place_as_written(moved)) + rest
