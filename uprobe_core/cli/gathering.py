"""What the words of a command line of ``run`` and ``check`` mean: one set-up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError
from uprobe_core.option import Option
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.options import BY_NAME, combine
from uprobe_core.setup_words import parse_topic

if TYPE_CHECKING:
    import argparse

    from uprobe_core.setup.file import SetupFile
    from uprobe_core.setup.problems import ConfigProblem

__all__ = ("Gathered", "combined", "gather", "is_asked_for")

_NOT_ONE = {
    "binds": "one thing lies at a place: leave one of them out",
    "filters": "an event has one filter: join them by && or ||",
}
"""Options of which neither the first nor the last alone is meant when they are given twice."""
_INSTEAD = {
    "format": "a run has one format; `uprobe run` again has the same records, --report is for pages and JSON",
    "output": "a run writes its records once; --report may be given several times",
    "tree_of": "a glob stands for several functions",
}


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
    _say_what_is_replaced(args.given, own)
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


def _say_what_is_replaced(
    given: Sequence[tuple[Option, str, Any]], parts: Sequence[Mapping[str, Any]]
) -> None:
    """Warn of an option that replaces an earlier one; raises UsageError where neither alone is meant."""
    known: dict[tuple[str, str], tuple[Any, str]] = {}
    for (_, flag, text), part in zip(given, parts, strict=True):
        for name, value in part.items():
            for what, each in _replaced(name, value):
                before, written = known.get((name, what), (each, ""))
                known[name, what] = each, f"{flag} {text}"
                if before != each:
                    _say_replaced(name, written, f"{flag} {text}")


def _say_replaced(name: str, before: str, now: str) -> None:
    if name in _NOT_ONE:
        raise UsageError(f"{before} and {now} cannot both hold", hint=_NOT_ONE[name], slug="given-twice")
    why = f" ({_INSTEAD[name]})" if name in _INSTEAD else ""
    print(f"uprobe: warning: {now} takes the place of {before}{why}", file=sys.stderr)


def _replaced(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What of *value* takes the place of an earlier one: all of it, or parts of a mapping by their keys."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif name == "filters":
        yield from ((use.event, use.expression) for use in value)
    elif name == "binds":
        yield from ((bind.guest, bind) for bind in value)
    elif not BY_NAME[name].kind.adds:
        yield "", value


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
