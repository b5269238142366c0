"""What registers a stub has: its target description (``qXfer:features:read:target.xml``) as a table.

Only what a client needs of "Target Descriptions" in GDB's manual: features, registers, includes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from uprobe_core.errors import BackendError

__all__ = ("Layout", "RemoteRegister", "read_layout")

_MOST_INCLUDES = 32


@dataclass(frozen=True, slots=True)
class RemoteRegister:
    """One register.

    :param number: its number in ``p`` and ``P``
    :param offset: its first byte in what ``g`` gives
    :param size: bytes
    """

    name: str
    number: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The registers by name, and which architecture the stub says that it is ("" if it does not)."""

    registers: Mapping[str, RemoteRegister]
    architecture: str


class _Reader:
    """Collects ``<reg>`` of a document and of what it includes, in their order."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self.found: list[tuple[str, int, int]] = []
        self.architecture = ""
        self._seen: set[str] = set()
        self._next = 0
        self._text: list[str] | None = None

    def read(self, annex: str) -> None:
        if annex in self._seen or len(self._seen) >= _MOST_INCLUDES:
            return
        self._seen.add(annex)
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = _refuse_entities
        try:
            parser.Parse(self._fetch(annex), True)
        except (expat.ExpatError, ValueError) as error:
            raise BackendError(f"the stub's description {annex!r} cannot be read: {error}") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "reg":
            number = int(attributes.get("regnum", self._next))
            self._next = number + 1
            self.found.append((attributes["name"], number, int(attributes["bitsize"]) // 8))
        elif name == "xi:include":
            self.read(attributes["href"])
        elif name == "architecture":
            self._text = []

    def _end(self, name: str) -> None:
        if name == "architecture" and self._text is not None:
            self.architecture, self._text = "".join(self._text).strip(), None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


def _refuse_entities(*_declaration: Any) -> None:
    raise ValueError("it declares entities")


def read_layout(fetch: Callable[[str], bytes]) -> Layout:
    """The layout of a stub whose documents *fetch* gives by name; raises BackendError."""
    reader = _Reader(fetch)
    reader.read("target.xml")
    table: dict[str, RemoteRegister] = {}
    offset = 0
    for name, number, size in sorted(reader.found, key=lambda each: each[1]):
        table.setdefault(name, RemoteRegister(name, number, offset, size))
        offset += size
    return Layout(table, reader.architecture)
