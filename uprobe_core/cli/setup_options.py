"""The command line of ``run`` and ``check``: made from the rows of all options, and read into one set-up."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uprobe_core.option import PARTS, Option, flags_of
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.options import OPTIONS, combine
from uprobe_core.setup_words import parse_topic
from uprobe_core.value_types import parse_natural

if TYPE_CHECKING:
    from uprobe_core.setup.file import SetupFile
    from uprobe_core.setup.problems import ConfigProblem

__all__ = ("Gathered", "add_options", "combined", "gather", "natural")


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
        elif flags and row.name not in {"debug", "explain"}:  # which every command has
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


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a command line says.

    :param problems: the mistakes of its set-up files
    :param axes: what its set-up files vary
    """

    setup: RunSetup
    problems: list[ConfigProblem]
    axes: tuple[str, ...] = ()


def gather(args: argparse.Namespace) -> Gathered:
    """The set-up that options mean, on top of the set-up files in their order.

    Single values replace a file's, lists are added to it.  Raises
    UsageError, ConfigError; what is wrong inside of set-up files is in the result.
    """
    own = [_given(args, *given) for given in args.given]
    program = args.program[1:] if args.program[:1] == ["--"] else args.program
    own += [{"argv": tuple(program)}] if program else []
    own += [{"debug": True}] if "" in args.debug else []
    own += [{"explain": tuple(map(parse_topic, text.split(",")))} for text in args.debug if text]
    variables = {name: value for part in own for name, value in part.get("variables", {}).items()}
    files = [_file(path, variables) for part in own for path in part.get("config", ())]
    parts = [{name: part[name] for name in part.keys() - {"config", "variables"}} for part in own]
    return combined(files, parts)


def combined(files: Sequence[SetupFile], parts: Sequence[Mapping[str, Any]]) -> Gathered:
    """What *files* say, with what they say of the program in question, and *parts* on top."""
    setup = combine(*(file.given for file in files), *parts)
    if setup.argv:
        special = [given for file in files for given in file.for_program(setup.argv[0])]
        setup = combine(*(file.given for file in files), *special, *parts) if special else setup
    axes = {name: None for file in files for name in file.matrix.axes}
    return Gathered(setup, [problem for file in files for problem in file.problems], tuple(axes))


def _file(path: str, variables: Mapping[str, str]) -> SetupFile:
    from uprobe_core.setup.file import read_file

    return read_file(path, variables)


def _given(args: argparse.Namespace, row: Option, flag: str, text: Any) -> Mapping[str, Any]:
    """What one option of the command line means; ends as argparse does if it is wrong."""
    if row.is_switch:
        return {row.name: not row.default}
    try:
        return row.given(text)
    except ValueError as error:
        args.usage_error(f"argument {flag}: {error}")
        raise AssertionError("argparse has ended") from error
