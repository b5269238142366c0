"""Files in the form of ``uprobe_events``: comments, continued lines, every error at once.

A line that ends in a backslash goes on in the next one (a kernel has no such
thing, so under policy=kernel the backslash is an argument and refused).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from uprobe_core.errors import SpecError
from uprobe_core.events.kernel_messages import ERRNO
from uprobe_core.events.line import EventLine
from uprobe_core.events.quoting import without_comment
from uprobe_core.events.table import EventTable

__all__ = ("Problem", "SourceLine", "load_lines", "source_lines")


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


@dataclass(frozen=True, slots=True)
class Problem:
    """One error of a set-up, with everything that a message or a script needs.

    :param line: 1-based line in *source*, 0 when unknown
    :param column: 1-based column of the failing character, 0 when there is none
    """

    source: str
    line: int
    column: int
    error: SpecError

    @classmethod
    def at(cls, where: SourceLine, error: SpecError) -> Problem:
        """The problem that *error* is for the line *where*."""
        if error.caret is None:
            return cls(where.source, where.number, 0, error)
        line, column = where.position(error.caret)
        return cls(where.source, line, column, error)

    def as_text(self) -> str:
        """``source:line:column: message``, the line with a caret, and the hint; ends without newline."""
        place = ":".join([self.source, *(str(n) for n in (self.line, self.column) if n)])
        parts = [f"{place}: {self.error.message}", self.error.excerpt()]
        if self.error.hint:
            parts.append(f"  hint: {self.error.hint}")
        return "\n".join(part for part in parts if part)

    def as_json(self) -> dict[str, object]:
        """The fields that ``uprobe check --json`` has for a line that was refused."""
        error = self.error
        return {
            "source": self.source,
            "line_number": self.line,
            "column": self.column,
            "line": error.line,
            "errno": ERRNO.get(error.errno_name, 22),
            "errname": error.errno_name,
            "message": error.message if error.logged else None,
            "caret": error.caret if error.logged else None,
            "reason": error.message,
            "hint": error.hint or None,
        }


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


def load_lines(table: EventTable, lines: Iterable[SourceLine]) -> list[Problem]:
    """Write every line to *table*; returns what was refused, in order.

    A line that fails does not stop the next one, so all errors come at once.
    """
    problems = []
    for line in lines:
        try:
            table.write(line.text)
        except SpecError as error:
            problems.append(Problem.at(line, error))
    return problems
