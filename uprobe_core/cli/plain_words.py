"""An ordinary command line of ``run``, read without argparse, which would be a twentieth of a short run.

What is not ordinary (help, mistakes, short flags in one word) is left to argparse, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import NoReturn

from uprobe_core.cli.gathering import is_asked_for
from uprobe_core.option import Option, flags_of
from uprobe_core.setup.options import OPTIONS

__all__ = ("read_plainly",)

Given = tuple[Option, str, str | list[str]]


def read_plainly(arguments: Sequence[str], usage_error: Callable[[str], NoReturn]) -> SimpleNamespace | None:
    """What argparse makes of *arguments*, None where it has to be asked.

    :param usage_error: ends the command, for what turns out to be wrong later
    """
    rows = {flag: row for row in OPTIONS if is_asked_for(row) for flag in flags_of(row)[0]}
    given: list[Given] = []
    rest = list(reversed(arguments))
    while rest and rest[-1].startswith("-") and rest[-1] != "--":
        one = _one(rows, rest)
        if one is None:
            return None
        given.append(one)
    program = rest[::-1]
    if program[:1] == ["--"]:
        del program[0]
        if program[:1] == ["--"]:
            return None
    return SimpleNamespace(given=given, program=program, debug=[], usage_error=usage_error)


def _one(rows: dict[str, Option], rest: list[str]) -> Given | None:
    """Take one option off the end of *rest*; None if it is not plain."""
    flag, equals, value = rest.pop().partition("=")
    row = rows.get(flag)
    if row is None or (equals and not flag.startswith("--")):
        return None
    if row.is_switch:
        return None if equals else (row, flag, [])
    if not equals:
        value = rest.pop() if rest else "-"
        if value.startswith("-"):
            return None
    return None if row.kind.words and value not in row.kind.words else (row, flag, value)
