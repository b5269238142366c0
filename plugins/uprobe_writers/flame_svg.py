"""A flame graph as a picture: SVG that needs nothing but itself, light or dark as its viewer is."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import BinaryIO, ClassVar

from uprobe_core.terminal_text import cells, start
from uprobe_core.writer import Record, RunHeader, escaped
from uprobe_writers.folded import StackCounts

__all__ = ("FlameWriter",)

_WIDTH, _ROW, _EDGE, _HEAD = 1200, 18, 10, 40
_LETTER = 7.4
"""Width of a character of the font, at most (that of DejaVu is 7.22); those of East Asia take two."""
_LEAST = 0.3
"""Width of the narrowest box that is drawn."""
_STYLE = """
text { font: 12px ui-monospace, monospace; fill: #1b1f24; pointer-events: none; }
.back { fill: #ffffff; }
.head { font: 15px ui-monospace, monospace; }
.small { font: 12px system-ui, sans-serif; }
rect:hover { stroke: #0b5cad; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) { .back { fill: #11151a; } .head, .small { fill: #e4e9ee; } }
"""


class _Node:
    def __init__(self) -> None:
        self.weight = 0
        self.inside: dict[str, _Node] = {}


class FlameWriter:
    """``--format svg[:weight=ARG]``: a flame graph of the stacks."""

    wants_stacks = True
    options: ClassVar[Mapping[str, str]] = {"weight": "a number argument to add up instead of counting hits"}

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self._stream, self._title = stream, " ".join(header.argv)
        self._stacks = StackCounts(header, "svg")

    def write(self, record: Record) -> None:
        """Count the record's stack."""
        self._stacks.take(record)

    def close(self) -> None:
        """Draw it."""
        root = _Node()
        for stack, count in sorted(self._stacks.counts.items()):
            node = root
            node.weight += count
            for name in stack:
                node = node.inside.setdefault(_label(name), _Node())
                node.weight += count
        self._stream.write("\n".join(self._lines(root)).encode("utf-8", "replace") + b"\n")

    def _lines(self, root: _Node) -> Iterator[str]:
        unit = self._stacks.unit
        height = _HEAD + _depth(root) * _ROW + 2 * _EDGE
        size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        fits = 'style="max-width: 100%; height: auto"'  # a window of that width has a scroll bar in it
        yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} {fits}>'
        yield f"<style>{_STYLE}</style>"
        yield f'<rect class="back" width="{_WIDTH}" height="{height}"/>'
        title = _cut(escaped(self._title), (_WIDTH - 320) * 12 / 15)
        yield f'<text class="head" x="{_EDGE}" y="26">{escape(title)}</text>'
        total = f"{root.weight} {unit}"
        yield f'<text class="small" x="{_WIDTH - _EDGE}" y="26" text-anchor="end">{escape(total)}</text>'
        if root.weight:
            yield from _boxes(root, ("all", unit, root.weight), _EDGE, _WIDTH - 2 * _EDGE, _HEAD)
        yield "</svg>"


def _boxes(node: _Node, of: tuple[str, str, int], left: float, width: float, top: int) -> Iterator[str]:
    name, unit, total = of
    share = 100 * node.weight / total
    shown = escape(escaped(name))
    yield (
        f"<g><title>{shown}: {node.weight} {escape(unit)} ({share:.1f}%)</title>"
        f'<rect x="{left:.2f}" y="{top}" width="{max(width - 0.5, _LEAST):.2f}" height="{_ROW - 1}" rx="2"'
        f' fill="{_color(name)}"/>'
    )
    text = _cut(escaped(name), width - 6)
    if text:
        yield f'<text x="{left + 3:.2f}" y="{top + 13}">{escape(text)}</text>'
    yield "</g>"
    for label, inside in node.inside.items():
        part = width * inside.weight / node.weight
        if part >= _LEAST:
            yield from _boxes(inside, (label, unit, total), left, part, top + _ROW)
        left += part


def _cut(text: str, width: float) -> str:
    """As much of *text* as fits, with an ellipsis if that is not all; "" where nothing to speak of does."""
    most = int(width / _LETTER)
    if cells(text) <= most:
        return text
    return f"{start(text, most - 1)}…" if most >= 3 else ""


def _label(name: str) -> str:
    """A frame without the distance from its function's start."""
    return name.partition("+0x")[0] if not name.startswith("[") else name


def _depth(node: _Node) -> int:
    deepest, row = 0, [node]
    while row:
        deepest, row = deepest + 1, [inside for each in row for inside in each.inside.values()]
    return deepest


def _color(name: str) -> str:
    mixed = zlib.crc32(name.encode("utf-8", "surrogateescape"))
    return f"hsl({20 + mixed % 40} {60 + (mixed >> 8) % 25}% {66 + (mixed >> 16) % 12}%)"
