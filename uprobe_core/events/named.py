"""Arguments that are expressions of the source (extension): told apart, and read by who knows the source."""

from __future__ import annotations

import re
from typing import Protocol

from uprobe_core.errors import SpecError
from uprobe_core.event_model import FetchArg, FetchOp
from uprobe_core.events.line import EventLine
from uprobe_core.events.variables import NamedError, Variables

__all__ = ("WITHOUT", "expanded", "looks_named", "named_argument", "split_type")

WITHOUT = "compile with -g, or say with --debug-dir where debug files are"
_ALL = ("$args", "$locals")

_NAMED = re.compile(r"[A-Za-z_*&(~]|\$(?:retval|arg[0-9]+)(?:->|\.|\[)")
_TYPE = re.compile(r"(?:[usx](?:8|16|32|64)|f32|f64|char|u?string|b[0-9]+@[0-9]+/[0-9]+)(?:\[[^\]]*\])?")


def looks_named(text: str) -> bool:
    """Whether *text* is an expression of the source, and nothing that a kernel reads."""
    return _NAMED.match(text) is not None


def split_type(text: str) -> tuple[str, str | None]:
    """The expression, and the type of the fetch language behind its last colon, if there is one."""
    body, colon, kind = text.rpartition(":")
    if colon and not body.endswith(":") and _TYPE.fullmatch(kind):
        return body, kind
    return text, None


class _Argument(Protocol):
    """What this needs of the argument's parser."""

    line: EventLine
    index: int
    offset: int
    variables: Variables

    def keep(self, arg: FetchArg) -> int:
        """Have *arg* captured at the entry; its number."""
        ...


def named_argument(
    parser: _Argument, name: str, text: str
) -> FetchArg | tuple[tuple[FetchOp, ...], str] | None:
    """The argument for an expression of the source; None if there is no debug information.

    Of one with a type of the fetch language, the operations up to there and its expression.
    """
    source = parser.variables.source()
    if source is None or (text == "$retval" and not source.results):
        return None
    body, type_name = split_type(text)
    try:
        if type_name is None:
            return source.argument(name, text, parser.keep)
        is_text = type_name.startswith(("string", "ustring"))
        return source.head(body, parser.keep, is_text=is_text), body
    except NamedError as error:
        raise _refusal(
            parser.line, error, parser.line.column(parser.index, parser.offset + error.column)
        ) from None


def _refusal(line: EventLine, error: NamedError, caret: int) -> SpecError:
    return SpecError(error.text, line=str(line), caret=caret, hint=error.hint, logged=False, slug="bad-name")


def expanded(line: EventLine, variables: Variables) -> EventLine:
    """*line* with all that ``$args`` and ``$locals`` stand for in their place."""
    words: list[str] = []
    for index, word in enumerate(line.words):
        found: list[str] | None = None
        if index > 1 and word in _ALL:
            source = variables.source()
            if source is None:
                raise line.error("BAD_VAR", index, hint=f"{word} needs debug information: {WITHOUT}")
            try:
                found = source.expanded(word)
            except NamedError as error:
                raise _refusal(line, error, line.column(index)) from None
        words += [word] if found is None else found
    return EventLine(tuple(words))
