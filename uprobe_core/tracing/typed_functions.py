"""What the functions of ``-F`` take and give: from a table of signatures, or from debug information."""

from __future__ import annotations

import re
from collections.abc import Iterator

from uprobe_core.call_pairs import POINTER
from uprobe_core.event_model import FetchArg, OpCode
from uprobe_core.events.files import FileCheck
from uprobe_core.events.line import EventLine
from uprobe_core.events.locations import LocationResolver
from uprobe_core.events.variables import NamedError, SourceNames
from uprobe_core.image.signatures import signature_of

__all__ = ("TypedFunctions",)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}")
"""Names that an argument of an event can have."""
_PLAIN_STRING = re.compile(r"\+0\((\$arg\d+|\$retval)\):string")
_MOST = 1024
"""Bytes of a record that the arguments of one function may take; the rest of them is left out."""
_RESULT = "($retval)"
"""As its type says; without the parentheses it is a number, as a kernel has it."""


class TypedFunctions:
    """Fetch arguments for functions.

    :param files: finds the files that events name
    :param resolver: knows the debug information of files; None: only the tables are asked
    :param pointers: whether a string comes with where it lies: none is told from an unreadable one
    """

    def __init__(
        self, files: FileCheck, resolver: LocationResolver | None, *, pointers: bool = False
    ) -> None:
        self._files, self._resolver, self._pointers = files, resolver, pointers

    def arguments(self, library: str, function: str, path: str, offset: int) -> tuple[str, ...]:
        """What the function at *offset* of *path* takes, ``size=$arg1:u64``; () if nobody says.

        :param library: short name of the file, as tables of signatures have it
        """
        known = signature_of(library, function)
        if known is not None:
            return self._with_pointers(known.arguments)
        source = self._source(path, offset, is_return=False)
        return () if source is None else self._with_pointers(tuple(_fetched(source)), source)

    def result(self, library: str, function: str, path: str, offset: int) -> tuple[str, ...]:
        """What it gives, () if that is nothing or nobody says."""
        known = signature_of(library, function)
        if known is not None:
            return self._with_pointers((known.gives,) if known.gives else ())
        source = self._source(path, offset, is_return=True)
        return () if source is None else self._with_pointers(tuple(_returned(source)), source)

    def _with_pointers(self, words: tuple[str, ...], source: SourceNames | None = None) -> tuple[str, ...]:
        found = (_pointer(word, source) for word in words) if self._pointers else ()
        return (*words, *(word for word in found if word))

    def _source(self, path: str, offset: int, *, is_return: bool) -> SourceNames | None:
        if self._resolver is None:
            return None
        line = EventLine(("p", path))
        return self._resolver.names(line, path, self._files(path), offset, is_return=is_return)


def _pointer(word: str, source: SourceNames | None) -> str:
    """Where the string lies that *word* fetches, "" if that is none, or nobody knows."""
    name, _, text = word.partition("=")
    if not _NAME.fullmatch(POINTER + name):
        return ""
    plain = _PLAIN_STRING.fullmatch(text)
    if plain:
        return f"{POINTER}{name}={plain[1]}:x64"
    found = None if source is None else _argument(source, text)
    if found is None or not found.type.is_string or found.count:
        return ""
    if any(op.code is OpCode.COMPUTED for op in found.ops):  # of C++, say: an object that is a text
        return ""
    return f"{POINTER}{name}={text.strip('()')}:x64"


def _fetched(source: SourceNames) -> Iterator[str]:
    """The parameters that can be fetched, up to the first that makes a record too large."""
    used = 0
    for name in dict.fromkeys(source.expanded("$args") or ()):
        found = _argument(source, name) if _NAME.fullmatch(name) else None
        if found is not None and used + found.size <= _MOST:
            used += found.size
            yield f"{name}={name}"


def _returned(source: SourceNames) -> Iterator[str]:
    """What can be fetched of what it returns, which is several values in Go."""
    for word in source.results:
        name, _, text = word.partition("=")
        if text == "$retval":
            name, text = "rv", _RESULT
        if _argument(source, text) is not None:
            yield f"{name}={text}"


def _argument(source: SourceNames, text: str) -> FetchArg | None:
    """The argument that shows *text*, None if it cannot be had."""
    try:
        return source.argument(text, text, lambda _arg: 0)
    except NamedError:
        return None
