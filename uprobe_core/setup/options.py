"""All options, collected from the fields that they stand at, and how several places make up one set-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from typing import Any

from uprobe_core.backend import Limits
from uprobe_core.option import Option
from uprobe_core.run_setup import EventLine, EventsFile, RunSetup
from uprobe_core.types import Policy

__all__ = ("BY_NAME", "OPTIONS", "TABLES", "TOP", "combine", "merged")


def _row(field: Field[Any], owner: str) -> Iterator[Option]:
    """The rows of a field: its own, then other ways to it."""
    if "option" in field.metadata:
        row = dict(field.metadata["option"])
        name = row.pop("name") or field.name
        default = field.default if field.default is not MISSING else {}  # of a mapping, which has a factory
        key = row.pop("key") or field.name.replace("_", "-")
        yield Option(name=name, default=default, key=key, field=field.name, owner=owner, **row)
        yield from row["also"]


def _rows() -> Iterator[Option]:
    for field in fields(RunSetup):
        yield from _row(field, "")
    for field in fields(Limits):
        yield from _row(field, "limits")


OPTIONS: tuple[Option, ...] = tuple(_rows())
"""Every row, in the order of the fields."""
BY_NAME: Mapping[str, Option] = {row.name: row for row in OPTIONS}
"""The same by keyword."""
TABLES: Mapping[str, Mapping[str, Option]] = {
    table: {row.key: row for row in OPTIONS if row.table == table}
    for table in dict.fromkeys(row.table for row in OPTIONS if row.table)
}
"""What a set-up file says in tables with fixed keys: table, key, row."""
TOP: Mapping[str, Option] = {row.key: row for row in OPTIONS if row.key and not row.table}
"""What it says outside of them."""


def combine(*parts: Mapping[str, Any]) -> RunSetup:
    """The set-up that *parts* mean together, each a mapping from an option's name to its value.

    A later part replaces single values of an earlier one, its lists and
    mappings are added.  Raises ConfigError for a file of events that cannot
    be read.
    """
    values = merged(*parts)
    limits = {row.field: values.pop(row.name) for row in OPTIONS if row.owner and row.name in values}
    setup = RunSetup(**{**values, "limits": replace(values.get("limits", Limits()), **limits)})
    return replace(setup, events=tuple(_lines(setup.events, setup.policy)))


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """*parts* as one, by option: lists and mappings of a later one are added, single values replace."""
    values: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            values[name] = added(values, name, value)
    return values


def added(values: Mapping[str, Any], name: str, value: Any) -> Any:
    """*value* of the option *name* on top of what *values* has of it."""
    before = values.get(name)
    if before is None or name not in BY_NAME or not BY_NAME[name].kind.adds:
        return value
    return {**before, **value} if isinstance(value, Mapping) else (*before, *value)


def _lines(events: Iterable[EventLine | EventsFile], policy: Policy) -> Iterator[EventLine]:
    """*events* with the files among them cut into lines: a kernel has no continued ones."""
    for item in events:
        if isinstance(item, EventLine):
            yield item
            continue
        from uprobe_core.setup.texts import event_lines, read_text

        text = read_text(item.path) if item.text is None else item.text
        source = "standard input" if item.path == "-" else item.path
        yield from event_lines(text, source, continued=not policy.is_kernel)
