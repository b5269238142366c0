"""The indices of a .dwp file: which unit has which part of each section (DWARF 5, 7.3.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property

from uprobe_core.image.elf import ElfFile

__all__ = ("ABBREV", "LISTS", "RANGES", "TEXTS", "Package", "Row")

Row = dict[int, int]
"""Where a unit's part of a section begins, by the section's number."""
_INFO, _TYPES, ABBREV, LISTS, TEXTS, RANGES = 1, 2, 3, 5, 6, 8
"""LISTS: location lists; TEXTS: the offsets of texts."""
_MOST = 1 << 20


class Package:
    """The index of *elf*, of units of types (DWARF 4) if *is_of_types*; empty for a .dwo file."""

    def __init__(self, elf: ElfFile, *, is_of_types: bool) -> None:
        self._elf, self._column = elf, _TYPES if is_of_types else _INFO

    @cached_property
    def is_there(self) -> bool:
        """Whether the file is a package."""
        return any(self._elf.section(f".debug_{kind}_index") is not None for kind in ("cu", "tu"))

    @cached_property
    def _all(self) -> list[tuple[int, Row]]:
        """The identity of each unit, and its row."""
        return [each for kind in ("cu", "tu") for each in self._read(kind)]

    @cached_property
    def places(self) -> dict[int, int]:
        """Where the unit of each identity begins."""
        return {identity: row[self._column] for identity, row in self._all if self._column in row}

    @cached_property
    def rows(self) -> dict[int, Row]:
        """The row of the unit that begins at an offset."""
        return {row[self._column]: row for _, row in self._all if self._column in row}

    def _read(self, kind: str) -> Iterator[tuple[int, Row]]:
        section = self._elf.section(f".debug_{kind}_index")
        data = b"" if section is None else self._elf.bytes_of(section)
        if len(data) < 16:
            return
        _, columns, units, slots = struct.unpack_from("<IIII", data)
        names, table = 16 + 12 * slots, 16 + 12 * slots + 4 * columns
        if max(columns, units, slots) > _MOST or table + 4 * columns * units > len(data):
            raise ValueError(f"an index of {units} units in {len(data)} bytes")
        sections = struct.unpack_from(f"<{columns}I", data, names)
        for slot in range(slots):
            identity = struct.unpack_from("<Q", data, 16 + 8 * slot)[0]
            number = struct.unpack_from("<I", data, 16 + 8 * slots + 4 * slot)[0]
            if 0 < number <= units:
                begins = struct.unpack_from(f"<{columns}I", data, table + 4 * columns * (number - 1))
                yield identity, dict(zip(sections, begins, strict=True))
