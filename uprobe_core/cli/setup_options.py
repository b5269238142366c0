"""The parser of ``run`` and ``check``, made from the rows of all options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from uprobe_core.cli.gathering import is_asked_for
from uprobe_core.option import PARTS, Option, flags_of
from uprobe_core.setup.options import OPTIONS
from uprobe_core.value_types import parse_natural

__all__ = ("add_options", "natural")


class _Give(argparse.Action):
    """Notes what was given, in order: lists are added up in that order."""

    row: Option

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.given = [*namespace.given, (self.row, option_string, values)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare every option and the program."""
    parser.set_defaults(given=[])
    groups = {part: parser.add_argument_group(part) for part in PARTS}
    for row in OPTIONS:
        flags, metavar = flags_of(row)
        if row.name == "argv":
            parser.add_argument("program", nargs=argparse.REMAINDER, metavar=metavar, help=row.help)
        elif is_asked_for(row):
            _add_option(groups[row.part], row, flags, metavar)


def _add_option(group: argparse._ArgumentGroup, row: Option, flags: list[str], metavar: str) -> None:
    words: dict[str, Any] = {} if row.is_switch or not row.kind.words else {"choices": row.kind.words}
    if row.is_switch:
        words["nargs"] = 0
    elif metavar:
        words["metavar"] = metavar
    action = group.add_argument(
        *flags, action=_Give, dest="given", default=[], help=_help(row).replace("%", "%%"), **words
    )
    assert isinstance(action, _Give)
    action.row = row


def _help(row: Option) -> str:
    """What the flag does, with what holds without it where that is a word."""
    text = row.flag_help or row.help
    if row.is_switch or row.default in (None, (), {}) or "(default" in text:
        return text
    return f"{text} (default: {getattr(row.default, 'value', row.default)})"


def natural(text: str) -> int:
    """A number from 0, for an option that is no part of a set-up."""
    try:
        return parse_natural(text)
    except ValueError as error:  # argparse would name our function in its own message
        raise argparse.ArgumentTypeError(str(error)) from error
