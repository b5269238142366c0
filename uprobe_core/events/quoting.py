"""Paths with white space or ``#`` in event lines: in quotes (extension).

A kernel splits its lines at white space and has no way to write such a path;
perf and bpftrace take quotation marks around it, and so do we::

    p:work "/opt/my programs/loop":work a=%x0

A quoted path keeps its quotation marks as a word, so that columns of errors
count what was written.
"""

from __future__ import annotations

import re

from uprobe_core.events.tokens import split_words

__all__ = ("path_as_written", "place_as_written", "quoted_path", "split_line", "without_comment")

_S = r"[ \t\n\v\f\r]"
_QUOTED = re.compile(rf"({_S}*[^#\s]+{_S}+)((?:\"[^\"]*\"|'[^']*')[^# \t\n\v\f\r]*)", re.ASCII)
"""The command, and a location that begins with a quoted path."""


def without_comment(text: str) -> str:
    """*text* up to its ``#``; one in a quoted path is part of the path."""
    head = _QUOTED.match(text)
    end = head.end() if head else 0
    return text[:end] + text[end:].partition("#")[0]


def split_line(text: str) -> list[str]:
    """The words of a line without its comment, a quoted path with what follows it being one word."""
    head = _QUOTED.match(text)
    if head is None:
        return split_words(text.partition("#")[0])
    return [*split_words(head[1]), head[2], *split_words(text[head.end() :].partition("#")[0])]


def quoted_path(location: str) -> tuple[str, int] | None:
    """The path in quotation marks that *location* begins with, and how many characters it takes."""
    quote = location[:1]
    end = location.find(quote, 1) if quote and quote in "\"'" else -1
    return None if end < 0 else (location[1:end], end + 1)


def path_as_written(path: str) -> str:
    """*path* as an event line has it: in quotation marks if it needs them."""
    plain = path[:1] not in "\"'" and "#" not in path and split_words(path) == [path]
    quote = "'" if '"' in path else '"'
    return path if plain or not path else f"{quote}{path}{quote}"


def place_as_written(place: str) -> str:
    """PATH:TARGET, given as a whole, as an event line has it; the first colon after a slash ends the path."""
    if split_words(place) == [place] or quoted_path(place):
        return place
    colon = place.find(":", place.find("/") + 1)
    return place if colon < 0 else path_as_written(place[:colon]) + place[colon:]
