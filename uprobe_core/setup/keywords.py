"""The keyword arguments of a Session: checked as those of a set-up file are, and turned into a RunSetup."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from uprobe_core.backend import Limits
from uprobe_core.errors import UsageError
from uprobe_core.option import Option
from uprobe_core.run_setup import EventLine, RunSetup
from uprobe_core.setup.options import OPTIONS, combine

__all__ = ("KEYWORDS", "setup_from_options")

KEYWORDS = {row.name: row for row in OPTIONS if row.field and row.name != "argv"}
"""The options that a session takes by keyword."""


def setup_from_options(argv: Sequence[str], options: Mapping[str, Any]) -> RunSetup:
    """A RunSetup from *argv* and keyword arguments; None is the default of each.

    Texts are taken where the command line has texts.  Raises UsageError for an unknown option
    or a value that it cannot have.
    """
    unknown = sorted(options.keys() - KEYWORDS.keys() - {"limits"})
    if unknown:
        allowed = ", ".join(sorted(KEYWORDS))
        raise UsageError(f"no option {unknown[0]!r}", hint=f"options: {allowed}", slug="bad-option")
    given = {name: value for name, value in options.items() if value is not None}
    if not isinstance(given.get("limits", Limits()), Limits):
        raise _bad("limits", given["limits"], "a Limits")
    checked = {name: value if name == "limits" else _value(name, value) for name, value in given.items()}
    return combine({"argv": _arguments(argv), **checked})


def _arguments(argv: Sequence[str]) -> tuple[str, ...]:
    if isinstance(argv, str | bytes):
        raise _bad("argv", argv, 'a list such as ["./loop", "3"]')
    words = tuple(os.fspath(word) if isinstance(word, os.PathLike) else word for word in argv)
    for word in words:
        if not isinstance(word, str):
            raise _bad("argv", word, "a string")
    return words


def _value(name: str, value: Any) -> Any:
    """*value* as a RunSetup has it; raises UsageError."""
    row = KEYWORDS[name]
    if isinstance(value, row.kind.made):
        return value
    if row.kind.item is not None:
        return tuple(_item(row, item) for item in _listed(name, value))
    plain = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not row.kind.accepts(plain):
        raise _bad(name, value, row.kind.allowed)
    return row.kind.convert(plain)


def _listed(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _bad(name, value, "a list")
    return value


def _item(row: Option, item: Any) -> Any:
    """One item of a list: as text, or made already."""
    kind = row.kind.item
    assert kind is not None
    if not isinstance(item, str):
        if isinstance(item, kind):
            return item
        raise _bad(row.name, item, f"a string or a {kind.__name__}")
    if kind is EventLine:
        return EventLine(item, row.name)  # the source that messages name
    (made,) = row.kind.parse(item)
    return made


def _bad(name: str, value: object, allowed: str) -> UsageError:
    return UsageError(f"option {name!r} is {value!r}, not {allowed}", slug="bad-option")
