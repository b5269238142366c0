"""What is wrong with set-up files: each mistake by itself, and all of them as one error."""

from __future__ import annotations

from dataclasses import dataclass

from uprobe_core.errors import ConfigError

__all__ = ("ConfigProblem", "SetupFileError")


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a set-up file.

    :param file: as the caller named it
    :param table: the table it is in, such as "limits" or "events[2]"; "" at the top level
    :param key: the offending key, "" when the table itself is wrong
    :param value: the offending value as text, "" when the key itself is wrong
    :param allowed: what may stand there
    """

    file: str
    table: str
    key: str
    value: str
    message: str
    allowed: str = ""
    hint: str = ""

    @property
    def where(self) -> str:
        """``FILE: [TABLE] KEY``, as far as known."""
        table = f" [{self.table}]" if self.table else ""
        return f"{self.file}:{table}{' ' + self.key if self.key else ''}".rstrip(":")

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SetupFileError(ConfigError):
    """All mistakes of one set-up file; the text is the first one's."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__(str(problems[0]), hint=problems[0].hint)
        self.problems = problems
