"""One event line as words, and the errors that point into it.

A kernel counts error columns on the words joined by single spaces
(trace_probe_log_err in kernel/trace/trace_probe.c, 6.12), so that is the text
an error quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uprobe_core.errors import SpecError
from uprobe_core.events.kernel_messages import MESSAGES
from uprobe_core.events.tokens import split_words

__all__ = ("EventLine",)


@dataclass(frozen=True, slots=True)
class EventLine:
    """The words of a line; word 0 is the command, 1 the location, then arguments."""

    words: tuple[str, ...]

    @classmethod
    def split(cls, text: str, *, quotes: bool = False) -> EventLine:
        """Cut *text* at ``#`` and split it into words.

        :param quotes: whether a path may be in quotation marks (extension); it is one word with them
        """
        if quotes and ('"' in text or "'" in text):
            from uprobe_core.events.quoting import split_line

            return cls(tuple(split_line(text)))
        return cls(tuple(split_words(text.partition("#")[0])))

    def __str__(self) -> str:
        return " ".join(self.words)

    def with_whole_location(self) -> EventLine:
        """The same with a location's parameters, ``app::add(int, int)``, in its word (extension)."""
        if len(self.words) <= 2:
            return self
        words = list(self.words)
        while len(words) > 2 and words[1].count("(") > words[1].count(")"):
            words[1:3] = [f"{words[1]} {words[2]}"]
        return EventLine(tuple(words))

    def column(self, index: int, offset: int = 0) -> int:
        """0-based column of word *index* plus *offset*; past the last word, one after its end."""
        if index >= len(self.words):
            return sum(len(word) + 1 for word in self.words)
        return sum(len(word) + 1 for word in self.words[:index]) + offset

    def error(
        self,
        code: str,
        index: int = 0,
        offset: int = 0,
        *,
        errno_name: str = "EINVAL",
        hint: str = "",
        candidates: Sequence[str] = (),
    ) -> SpecError:
        """The kernel's error *code* at *offset* in word *index*.

        :param candidates: nearest names; they go into the hint
        """
        if candidates and not hint:
            hint = "did you mean " + " or ".join(candidates) + "?"
        return SpecError(
            MESSAGES[code],
            line=str(self),
            caret=self.column(index, offset),
            errno_name=errno_name,
            hint=hint,
            slug=code.lower().replace("_", "-"),
        )

    def refusal(self, message: str, *, errno_name: str = "EINVAL", hint: str = "") -> SpecError:
        """An error that a kernel reports by its errno alone, without an error_log entry."""
        return SpecError(message, line=str(self), errno_name=errno_name, logged=False, hint=hint)
