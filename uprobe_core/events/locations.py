"""Locations beyond PATH:OFFSET (extensions): the shape of the answers.

Finding symbols, lines and markers in a file is the part of
:mod:`uprobe_core.image`; the language sees it through :class:`LocationResolver`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uprobe_core.events.line import EventLine

if TYPE_CHECKING:
    from uprobe_core.events.files import FileCheck, FileStatus
    from uprobe_core.events.variables import SourceNames

__all__ = ("Location", "LocationResolver")

_OWN = re.compile(r"\$(arg[1-9][0-9]*)(?![0-9])")


@dataclass(frozen=True, slots=True)
class Location:
    """One place in a file.

    :param offset: in the file, bytes
    :param ref: file offset of a semaphore, 0 for none
    :param name: the event's name when the line gives none, "" for the kernel's ``p_FILE_0xOFF``
    :param text: what the user wrote and what it resolved to, for messages
    :param resolver: of an indirect function, see :class:`~uprobe_core.event_model.EventSpec`
    :param inlined: of a function, in another one: it has no return there
    :param arguments: fetch arguments that the location brings along (a USDT marker's)
    """

    path: str
    offset: int
    ref: int = 0
    name: str = ""
    text: str = ""
    arguments: tuple[str, ...] = ()
    resolver: int | None = None
    inlined: bool = False

    def with_arguments(self, line: EventLine) -> EventLine:
        """*line* with this location's own arguments: all when it has none, else those it names, ``$argN``.

        Raises SpecError for one that the location does not have.
        """
        if not self.text.startswith("sdt:"):
            return line
        if len(line.words) <= 2:
            return EventLine((*line.words[:2], *self.arguments))
        own = dict(each.split("=", 1) for each in self.arguments)
        return EventLine((*line.words[:2], *(_with_own(line, word, own) for word in line.words[2:])))


def _with_own(line: EventLine, word: str, own: dict[str, str]) -> str:
    """*word* with the operands of a marker for ``$argN``; its type comes along where *word* gives none."""
    name, equals, text = word.rpartition("=")
    whole = _OWN.fullmatch(text)

    def operand(match: re.Match[str]) -> str:
        found = own.get(match[1])
        if found is None:
            known = f"it has {', '.join(own)}" if own else "it has none"
            raise line.refusal(f"${match[1]} is no argument of this marker", hint=known)
        return found if whole else found.rpartition(":")[0]

    return f"{name or (whole[1] if whole else '')}{equals or ('=' if whole else '')}{_OWN.sub(operand, text)}"


class LocationResolver(Protocol):
    """Finds what an extension location names.  Every method raises SpecError."""

    def split(self, line: EventLine, check: FileCheck) -> tuple[str, str, bool, int]:
        """Path, target text, whether ``%return`` was there, and the semaphore's file offset.

        The path is the shortest that *check* knows as a file, up to a colon.
        """
        ...

    def resolve(self, line: EventLine, path: str, status: FileStatus, target: str) -> Sequence[Location]:
        """All places that *target* names in the file, at least one."""
        ...

    def data_symbol(self, line: EventLine, status: FileStatus, offset: int, symbol: str) -> int:
        """What FOFFS takes to reach data *symbol* from a probe at file *offset*, bytes."""
        ...

    def names(
        self, line: EventLine, path: str, status: FileStatus, offset: int, *, is_return: bool
    ) -> SourceNames | None:
        """What the source calls things at file *offset*; None without debug information for it."""
        ...
