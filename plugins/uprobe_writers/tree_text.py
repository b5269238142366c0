"""How a call tree looks: times, values, colours."""

from __future__ import annotations

from uprobe_core.call_words import call_texts
from uprobe_core.terminal_text import cells
from uprobe_core.value_text import indented, time_text, values_text
from uprobe_core.writer import Record
from uprobe_writers.tree_nodes import Node

__all__ = ("Look", "amount_text", "call_of", "results_of")

_MEASURES = {"took", "insns"}
"""Results that stand in the first column."""
_SLOW = 1_000_000
_BOLD, _FAINT, _RED, _VIOLET = "1", "2", "1;31", "35"
"""Nothing in a colour that cannot be read on white (green, yellow) or on black (blue)."""
_TIMES = "\u00d7"
WIDTH = 10
"""Characters of the first column."""


def amount_text(amount: int, unit: str) -> str:
    """A time, or a number of instructions."""
    return time_text(amount) if unit == "time" else f"{amount}"


def results_of(record: Record) -> tuple[str, ...]:
    """The results of a return: a value alone if there is one, else with names; measures are left out."""
    found = [text for text in values_text(record) if text.partition("=")[0] not in _MEASURES]
    return (found[0].partition("=")[2],) if len(found) == 1 else tuple(found)


def call_of(record: Record) -> tuple[tuple[str, ...], int, tuple[str, ...], int]:
    """Of a system call: its arguments, how many, its result, and nanoseconds that it took."""
    arguments, result, took = call_texts(record)
    return tuple(arguments), len(arguments), (result,), took


class Look:
    """Lines of the tree.

    :param unit: of the first column, "time" or "insns"
    """

    def __init__(self, unit: str, *, color: bool) -> None:
        self._unit, self._color = unit, color

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and code and text else text

    def task(self, comm: str, tid: int) -> str:
        """Above what a task does."""
        return self._paint(_BOLD, f"# {comm}-{tid}")

    def line(self, node: Node, depth: int, part: str) -> tuple[str, str]:
        """One line: what stands before the call, and the call; *part* is "open", "close" or "leaf"."""
        amount = "" if part == "open" or node.amount is None else amount_text(node.amount, self._unit)
        slow = self._unit == "time" and (node.amount or 0) >= _SLOW
        column = self._paint(_RED if slow else "", f"{amount:>{WIDTH}}")
        return f"{column} {self._paint(_FAINT, '│')} {indented(depth)}", self._text(node, part)

    def more(self, depth: int) -> str:
        """What stands before that of a call which is too long for one line."""
        return f"{'':{WIDTH}} {self._paint(_FAINT, '│')} {' ' * cells(indented(depth))}    "

    def _text(self, node: Node, part: str) -> str:
        name = self._paint(_BOLD, node.name)
        given = ", ".join(node.values[: node.given])
        results = ", ".join(node.values[node.given :])
        gives = f" = {results}" if results else ""
        note = self._paint(_VIOLET, f"  {node.note}" if node.note else "")
        times = self._paint(_BOLD, f"  {_TIMES} {node.count}" if node.count > 1 else "")
        if part == "open":
            return f"{name}({given}) {{"
        if part == "close":
            return f"}}{gives}  {self._paint(_FAINT, f'/* {node.name} */')}{note}{times}"
        return f"{name}({given}){gives}{note}{times}"
