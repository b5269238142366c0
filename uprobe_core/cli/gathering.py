"""What the words of a command line of ``run`` and ``check`` mean: one set-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uprobe_core.option import Option
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.options import combine
from uprobe_core.setup_words import parse_topic

if TYPE_CHECKING:
    import argparse

    from uprobe_core.setup.file import SetupFile
    from uprobe_core.setup.problems import ConfigProblem

__all__ = ("Gathered", "combined", "gather", "is_asked_for")


def is_asked_for(row: Option) -> bool:
    """Whether a flag of ``run`` stands for *row*; what every command has is not among them."""
    return "-" in row.flags and row.name not in {"argv", "debug", "explain"}


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
