"""Lines that fit a terminal: what continues a line stands where it belongs; a name may lose its middle."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

__all__ = ("broken", "cells", "columns_of", "cut", "fitted", "start")

_ROOM = 24
"""Columns that are enough for a last cell to go on below its beginning."""
_LINES = 3
"""How many lines it may have there."""
_BELOW = 8
"""Where one stands that is below its line."""
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_NEXT_CELL = re.compile("  (?=[^ ])")


def columns_of(fd: int) -> int:
    """How wide the terminal *fd* is, 0 if it is none or does not know."""
    with contextlib.suppress(OSError):
        return os.get_terminal_size(fd).columns
    return 0


def cells(text: str) -> int:
    """Columns that *text* takes; colours take none, letters of East Asia two."""
    text = _PAINT.sub("", text)
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(letter: str) -> int:
    from unicodedata import category, east_asian_width  # seldom needed

    if category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def fitted(line: str, width: int) -> list[str]:
    """*line* of a table in lines of at most *width* columns; as it is if *width* is 0.

    A last cell that does not fit goes on below its beginning, or below the line if there is little room.
    """
    if not width or cells(line) <= width:
        return [line]
    indent = len(line) - len(line.lstrip(" "))
    starts = [found.end() for found in _NEXT_CELL.finditer(line, indent)]
    at = max((start for start in starts if cells(line[:start]) <= width), default=indent)
    head, tail = line[:at], line[at:]
    before = cells(head)
    room = width - before
    if before == indent or (room >= min(_ROOM, width // 2) and cells(tail) <= _LINES * room):
        first, *rest = broken(tail, room)
        return [head + first, *(" " * before + each for each in rest)]
    below = min(_BELOW, width // 2)
    return [head.rstrip(), *(" " * below + each for each in broken(tail, width - below))]


def broken(text: str, room: int) -> Iterator[str]:
    """*text* in parts of at most *room* columns, at blanks if there are some."""
    room = max(room, 2)
    while cells(text) > room:
        end = _end(text, room)
        blank = text.rfind(" ", end // 2, end + 1)
        at = end if blank <= 0 else blank
        yield text[:at].rstrip(" ")
        text = text[at:].lstrip(" ")
    yield text


def cut(name: str, room: int) -> str:
    """*name* without its middle if it takes more than *room* columns: both ends tell functions apart."""
    if cells(name) <= room:
        return name
    head = start(name, room // 2)
    end = start(name[::-1], max(room - 1 - cells(head), 0))[::-1]
    return f"{head}…{end}"


def start(text: str, room: int) -> str:
    """As much of *text* as fits *room* columns."""
    return text[: _end(text, room)]


def _end(text: str, room: int) -> int:
    """How many characters of *text* take *room* columns."""
    at = taken = 0
    while at < len(text):
        paint = _PAINT.match(text, at)
        size = 0 if paint else _width(text[at])
        if taken + size > room:
            break
        taken += size
        at = paint.end() if paint else at + 1
    return at
