"""The sections of debug information, unpacked when asked for and not before."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING

from uprobe_core.errors import TargetError

if TYPE_CHECKING:
    from uprobe_core.image.elf import ElfFile

__all__ = ("Sections",)

_MOST = 1 << 28


class Sections:
    """The debug sections of *elf*, b"" for each that it has not.  Raises TargetError for damaged ones.

    :param entries: the section with entries: "info", or "types" (DWARF 4)
    """

    def __init__(self, elf: ElfFile, entries: str = "info") -> None:
        self.elf, self._entries = elf, entries

    def _bytes(self, name: str) -> bytes:
        section = self.elf.section(f".debug_{name}")
        if section is not None:
            return self.elf.bytes_of(section)
        section = self.elf.section(f".zdebug_{name}")  # before the gABI had compressed sections
        if section is None:
            return b""
        data = self.elf.bytes_of(section)
        size = int.from_bytes(data[4:12], "big")
        if data[:4] != b"ZLIB" or size > _MOST:
            return data
        try:
            return zlib.decompressobj().decompress(data[12:], size)
        except zlib.error as error:
            raise TargetError(f"cannot unpack section {section.name}: {error}", slug="bad-section") from None

    @cached_property
    def info(self) -> bytes:
        """Entries."""
        return self._bytes(self._entries)

    @cached_property
    def abbrev(self) -> bytes:
        """Their shapes."""
        return self._bytes("abbrev")

    @cached_property
    def str(self) -> bytes:
        """Texts."""
        return self._bytes("str")

    @cached_property
    def line_str(self) -> bytes:
        """Texts of line tables."""
        return self._bytes("line_str")

    @cached_property
    def str_offsets(self) -> bytes:
        """Where texts are, by number."""
        return self._bytes("str_offsets")

    @cached_property
    def addr(self) -> bytes:
        """Addresses by number."""
        return self._bytes("addr")

    @cached_property
    def line(self) -> bytes:
        """Line tables."""
        return self._bytes("line")

    @cached_property
    def aranges(self) -> bytes:
        """Which unit has which addresses."""
        return self._bytes("aranges")

    @cached_property
    def ranges(self) -> bytes:
        """Stretches of code (DWARF 4)."""
        return self._bytes("ranges")

    @cached_property
    def rnglists(self) -> bytes:
        """Stretches of code (DWARF 5)."""
        return self._bytes("rnglists")

    @cached_property
    def loc(self) -> bytes:
        """Location lists (DWARF 4)."""
        return self._bytes("loc")

    @cached_property
    def loclists(self) -> bytes:
        """Location lists (DWARF 5)."""
        return self._bytes("loclists")
