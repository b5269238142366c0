"""Event lines as they are written: files of them, their names, and the line that a table means."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Mapping
from typing import Any

from uprobe_core.errors import ConfigError
from uprobe_core.events.quoting import place_as_written
from uprobe_core.events.reading import source_lines
from uprobe_core.image.host_files import read_bounded
from uprobe_core.run_setup import EventLine
from uprobe_core.setup.decisive import note

__all__ = ("event_line", "event_lines", "event_name", "read_text")

_MOST_BYTES = 64 << 20
_OTHERS = (
    "-c takes a set-up file, -f a file of event lines; strace's -c is -S -C count here,"
    " and forked processes are followed without -f"
)
_NAMED_LINE = re.compile(r"\s*[pr][0-9]*:(?P<event>[^\s]+)\s")


def read_text(path: str) -> str:
    """The whole of a small text file, of standard input for ``-``; raises ConfigError."""
    try:
        if path == "-":
            return _standard_input()
        note(path)
        data = read_bounded(path, _MOST_BYTES)
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"cannot read {path}: not UTF-8 text at byte {error.start}", slug="unreadable-file"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
        reason = getattr(error, "strerror", None) or error
        hint = "" if "." in path else _OTHERS
        raise ConfigError(f"cannot read {path}: {reason}", hint=hint, slug="unreadable-file") from error


def _standard_input() -> str:
    text = sys.stdin.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {_MOST_BYTES >> 20} MiB")
    return text


def event_lines(text: str, source: str, *, continued: bool = True) -> list[EventLine]:
    """The event lines of a file in the form of ``uprobe_events``, as they stand there.

    Blank lines and comments are left out.  *number* is the 1-based line on
    which an event starts.

    :param continued: whether a line that ends in a backslash goes on in the next one
        (a kernel has no such thing)
    """
    return [
        EventLine(line.text, line.source, line.number)
        for line in source_lines(text, source, continued=continued)
    ]


def event_name(line: str) -> str | None:
    """The ``[GROUP/]NAME`` that an event line gives its event, None if it leaves that to us."""
    match = _NAMED_LINE.match(line + " ")
    return match["event"] if match and not match["event"].endswith("/") else None


def event_line(good: Mapping[str, Any]) -> str:
    """The kernel's line for an event table of a set-up file."""
    group = f"{good['group']}/" if "group" in good else ""
    name = f":{group}{good.get('name', '')}" if group or "name" in good else ""
    return " ".join(
        [f"{good.get('type', 'p')}{name}", place_as_written(good["place"]), *good.get("args", [])]
    )
