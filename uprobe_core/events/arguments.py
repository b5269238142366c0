"""The arguments of an event line: their names, and what they stand for all together."""

from __future__ import annotations

from uprobe_core.event_model import FetchArg
from uprobe_core.events.fetch_parse import ArgumentParser
from uprobe_core.events.line import EventLine
from uprobe_core.events.named import expanded
from uprobe_core.events.tokens import is_good_name
from uprobe_core.events.variables import Variables

__all__ = ("MAX_ARGS", "parse_arguments")

MAX_ARGS = 128
MAX_NAME = 32
RESERVED = frozenset(
    (
        "common_type",
        "common_flags",
        "common_preempt_count",
        "common_pid",
        "common_tgid",
        "__probe_ip",
        "__probe_ret_ip",
        "__probe_func",
    )
)


def parse_arguments(
    line: EventLine, variables: Variables
) -> tuple[tuple[FetchArg, ...], tuple[FetchArg, ...]]:
    """The arguments in words 2 and up of *line*, and what they want captured at entry.

    Raises SpecError with the kernel's message and column.
    """
    args: list[FetchArg] = []
    entry: list[FetchArg] = []
    used = 0
    if variables.extended:
        line = expanded(line, variables)
    for index, word in enumerate(line.words[2:], start=2):
        name, start = _name(line, index, word, args, identifiers=variables.dialect.identifiers)
        parser = ArgumentParser(line, index, variables, entry)
        arg = parser.parse(name, word[start:], start, used)
        used += arg.size
        args.append(arg)
    return tuple(args), tuple(entry)


def _name(
    line: EventLine, index: int, word: str, earlier: list[FetchArg], *, identifiers: bool
) -> tuple[str, int]:
    """The field name that *word* gives or gets, and where its expression begins."""
    name, equals, _ = word.partition("=")
    start = len(name) + 1 if equals else 0
    if equals and len(name) > MAX_NAME:
        raise line.error("ARG_NAME_TOO_LONG", index, hint=f"a name has at most {MAX_NAME} characters")
    if equals and not name:
        raise line.error("NO_ARG_NAME", index)
    if not equals:
        name = word.partition(":")[0]
        name = name if identifiers and is_good_name(name) else f"arg{len(earlier) + 1}"
    if not is_good_name(name):
        raise line.error("BAD_ARG_NAME", index)
    if name in RESERVED or any(arg.name == name for arg in earlier):
        raise line.error("USED_ARG_NAME", index)
    return name, start
