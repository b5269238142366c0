"""Files in the form of ``uprobe_events``: comments, continued lines, places of errors.

A line that ends in a backslash goes on in the next one (a kernel has no such
thing, so under policy=kernel the backslash is an argument and refused).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uprobe_core.events.line import EventLine
from uprobe_core.events.quoting import without_comment

__all__ = ("SourceLine", "source_lines")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One event line and where it stands.

    :param text: without its newline; continued lines are joined by newlines
    :param source: name of the file, or "-e"
    :param number: 1-based number of the (first) line, 0 when it is not a file
    """

    text: str
    source: str = "-e"
    number: int = 0

    def position(self, caret: int) -> tuple[int, int]:
        """1-based line and column of the character that an error's *caret* means.

        *caret* counts in the words joined by single spaces, the answer in what the user wrote.
        """
        cut = without_comment(self.text)
        line, column, at = 0, 0, 0
        for word in EventLine.split(cut, quotes=True).words:
            start = cut.index(word, at)
            at = start + len(word)
            if caret <= column + len(word):
                return self._row_and_column(start + max(caret - column, 0))
            column += len(word) + 1
        line, column = self._row_and_column(at)
        return line, column + 1

    def _row_and_column(self, index: int) -> tuple[int, int]:
        before = self.text[:index]
        return self.number + before.count("\n"), index - (before.rfind("\n") + 1) + 1


def source_lines(text: str, source: str, *, continued: bool = True) -> Iterator[SourceLine]:
    """The lines of *text* that are not blank or comments.

    :param continued: whether a backslash at a line's end joins the next line to it
    """
    waiting, first = "", 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        first = first if waiting else number
        if continued and line.endswith("\\") and without_comment(line) == line:
            waiting += line[:-1] + " \n"
            continue
        whole = waiting + line
        waiting = ""
        if EventLine.split(whole, quotes=True).words:
            yield SourceLine(whole, source, first)
    if EventLine.split(waiting, quotes=True).words:
        yield SourceLine(waiting, source, first)
