"""A run as Markdown: what the page says, in tables and blocks of text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from uprobe_core.value_text import visible

__all__ = ("markdown_of",)

_MARKS = re.compile(r"[\\`*|~\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown gives a meaning; within a word an underscore has none."""
_TICKS = re.compile(r"`+")
"""What would end a block of text that begins with as many."""
_MOST = 50
"""Events in the table; those with the most hits."""


def markdown_of(document: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """The whole text; see :func:`~uprobe_core.reporting.page.page_of` for the parameters."""
    return "".join(f"{line}\n" for line in _lines(document, texts))


def _lines(document: Mapping[str, Any], texts: Mapping[str, str]) -> Iterator[str]:
    yield f"# {_cell(shlex.join(document['program'])) or 'a run'}"
    yield ""
    yield f"It ended with {_status(document['status'])}."
    yield ""
    yield from _table(("", ""), [*document["setup"].items(), *document["versions"].items()])
    for number, consumer in enumerate(document["consumers"]):
        where = f" of {consumer['event']}" if consumer["event"] else ""
        yield f"## {_cell(consumer['title'])}{_cell(where)}"
        yield ""
        text = texts[str(number)]
        fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
        yield from (fence, *text.splitlines(), fence, "")
    yield from _events(document["events"])


def _events(events: list[dict[str, Any]]) -> Iterator[str]:
    hit = sorted((each for each in events if each["hits"]), key=lambda each: -each["hits"])
    yield "## Events"
    yield ""
    rows = [(each["readable"], each["hits"], each["returns"]) for each in hit[:_MOST]]
    yield from _table(("event", "hits", "returns"), rows)
    if len(hit) > _MOST:
        yield f"{len(hit) - _MOST} more events, and {len(events) - len(hit)} without a hit."
    elif len(events) > len(hit):
        yield f"{len(events) - len(hit)} events without a hit."


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(str(cell)) for cell in row)} |"
    yield ""


def _cell(text: str) -> str:
    """*text* as Markdown: nothing in it is a mark."""
    marked = _MARKS.sub(r"\\\g<0>", visible(text))
    return marked.replace("&", "&amp;").replace("<", "&lt;")


def _status(status: Mapping[str, Any] | None) -> str:
    if status is None:
        return "a failure"
    if status["reason"]:
        return f"a limit or an interrupt ({status['reason']})"
    if not status["signal"]:
        return f"exit status {status['code']}"
    place, *callers = map(_cell, status["stack"] or [""])
    where = f" in {place}" if place else ""
    return f"signal {status['signal']}{where}" + (f", called from {', '.join(callers)}" if callers else "")
