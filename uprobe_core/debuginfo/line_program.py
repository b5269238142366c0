"""The line table of one unit: its files, and which line each address belongs to (DWARF 5, section 6.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from uprobe_core.debuginfo.encoding import cstring, sleb, uleb, unsigned
from uprobe_core.debuginfo.sections import Sections

__all__ = ("LineProgram", "Row")

_PATH, _FOLDER = 1, 2
_SIZES = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}
_MOST_ROWS = 1 << 22
_MOST_NAMES = 1 << 16


class Row(NamedTuple):
    """A place in the code.

    :param file: its number in this table
    :param line: 0 if it belongs to none
    :param is_stmt: whether it is a good place to stop
    :param ends: the first address behind a stretch of code; it belongs to nothing
    :param again: another part of the line before it (a discriminator says so), where debuggers do not stop;
        what is no statement does not count where a statement of another file is at its address (as in gdb)
    """

    address: int
    file: int
    line: int
    column: int
    is_stmt: bool
    ends: bool
    again: bool = False


@dataclass(slots=True)
class _Header:
    """What the opcodes mean.

    :param base: the first difference of lines that a special opcode has
    :param lengths: arguments of the standard opcodes, from number 1 on
    """

    version: int
    offset_size: int
    minimum: int
    default_is_stmt: bool
    base: int
    span: int
    opcode_base: int
    lengths: bytes
    names_at: int
    start: int
    end: int


class LineProgram:
    """The table at *at* of .debug_line.

    :param folder: what relative names start from (the unit's DW_AT_comp_dir), where the table does not say

    Raises ValueError or IndexError for what is no such table.
    """

    def __init__(self, sections: Sections, at: int, folder: str = "") -> None:
        self._sections, self._data, self._folder = sections, sections.line, folder
        self._header = _parse_header(self._data, at)

    @property
    def end(self) -> int:
        """Where the next table begins."""
        return self._header.end

    # --- files ----------------------------------------------------------------------------------

    @cached_property
    def files(self) -> list[str]:
        """The source files by number; "" for a number that is none."""
        named = self._new_names() if self._header.version >= 5 else self._old_names()
        folders, files = named
        base = [self._folder] if self._header.version < 5 else []
        return [_joined([*base, *folders], folder, name) for name, folder in files]

    def _old_names(self) -> tuple[list[str], list[tuple[str, int]]]:
        data, at = self._data, self._header.names_at
        folders: list[str] = []
        while data[at]:
            folders.append(cstring(data, at))
            at = data.index(0, at) + 1
        at += 1
        files = [("", 0)]
        while data[at]:
            name, at = cstring(data, at), data.index(0, at) + 1
            folder, at = uleb(data, at)
            for _ in range(2):  # time and size
                _, at = uleb(data, at)
            files.append((name, folder))
        return folders, files

    def _new_names(self) -> tuple[list[str], list[tuple[str, int]]]:
        folders, at = self._table(self._header.names_at)
        files, _ = self._table(at)
        names = [name for name, _ in folders]
        if self._folder:
            names = [os.path.join(self._folder, name) for name in names]
        return [os.path.join(names[0], name) for name in names], files

    def _table(self, at: int) -> tuple[list[tuple[str, int]], int]:
        """(name, folder's number) of each entry of the table at *at*, and where it ends."""
        data = self._data
        formats, at = [], at + 1
        for _ in range(data[at - 1]):
            content, at = uleb(data, at)
            form, at = uleb(data, at)
            formats.append((content, form))
        count, at = uleb(data, at)
        if count > _MOST_NAMES:
            raise ValueError(f"{count} names")
        found = []
        for _ in range(count):
            name, folder = "", 0
            for content, form in formats:
                value, at = self._value(form, at)
                if content == _PATH:
                    name = str(value)
                elif content == _FOLDER:
                    folder = int(value)
            found.append((name, folder))
        return found, at

    def _value(self, form: int, at: int) -> tuple[str | int, int]:
        data, width = self._data, self._header.offset_size
        if form in (0x0E, 0x1F):
            texts = self._sections.str if form == 0x0E else self._sections.line_str
            return cstring(texts, unsigned(data, at, width)), at + width
        if form == 0x08:
            return cstring(data, at), data.index(0, at) + 1
        if form == 0x0F:
            return uleb(data, at)
        if form == 0x09:
            size, at = uleb(data, at)
            return 0, at + size
        return unsigned(data, at, _SIZES[form]), at + _SIZES[form]

    # --- lines ----------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> list[Row]:
        """All rows in the order of the program; within a stretch of code addresses do not fall."""
        header, found = self._header, []
        at, end = header.start, header.end
        while at < end:
            rows, at = self._sequence(at, end)
            found += rows
            if len(found) > _MOST_ROWS:
                raise ValueError("too many rows")
        return found

    def _sequence(self, at: int, end: int) -> tuple[list[Row], int]:
        """The rows up to the end of one sequence, and where the next begins."""
        data, header, address, file, line, column = self._data, self._header, 0, 1, 1, 0
        minimum, opcode_base, span, base = header.minimum, header.opcode_base, header.span, header.base
        is_stmt, rows = header.default_is_stmt, list[Row]()
        add = rows.append
        marked = parted = False  # a discriminator was given to the next row, to any of this line
        last, told = (0, 0), -1  # the line before, and where the last statement is
        while at < end:
            op = data[at]
            at += 1
            if op >= opcode_base:
                op -= opcode_base
                address += op // span * minimum
                delta = base + op % span
                line, parted = line + delta, marked if delta else parted
                add(Row(address, file, line, column, is_stmt, False, parted and last == (file, line)))
                told = address if is_stmt else told
                last, marked = (file, line) if is_stmt or told != address or file == last[0] else last, False
            elif op == 0:
                kind, value, at = self._extended(at)
                if kind == 1:
                    add(Row(address, file, line, column, is_stmt, True))
                    return rows, at
                address, marked = value if kind == 2 else address, value != 0 if kind == 4 else marked
                parted = parted or marked
            elif op == 1:
                add(Row(address, file, line, column, is_stmt, False, parted and last == (file, line)))
                told = address if is_stmt else told
                last, marked = (file, line) if is_stmt or told != address or file == last[0] else last, False
            elif op == 2:
                value, at = uleb(data, at)
                address += value * minimum
            elif op == 3:
                value, at = sleb(data, at)
                line, parted = line + value, marked if value else parted
            elif op == 4:
                file, at = uleb(data, at)
            elif op == 5:
                column, at = uleb(data, at)
            elif op == 6:
                is_stmt = not is_stmt
            elif op == 8:
                address += (255 - opcode_base) // span * minimum
            elif op == 9:
                address, at = address + unsigned(data, at, 2), at + 2
            elif op not in (7, 10, 11):
                for _ in range(header.lengths[op - 1]):
                    _, at = uleb(data, at)
        return rows, at

    def _extended(self, at: int) -> tuple[int, int, int]:
        """An extended opcode at *at*: its number, what it sets (address, discriminator), where it ends."""
        data = self._data
        size, at = uleb(data, at)
        kind, value = data[at], 0
        if kind == 2:
            value = unsigned(data, at + 1, size - 1)
        elif kind == 4:
            value, _ = uleb(data, at + 1)
        return kind, value, at + size


def _parse_header(data: bytes, at: int) -> _Header:
    length, width, at = unsigned(data, at, 4), 4, at + 4
    if length == 0xFFFF_FFFF:
        length, width, at = unsigned(data, at, 8), 8, at + 8
    end = at + length
    version = unsigned(data, at, 2)
    if end > len(data) or not 2 <= version <= 5:
        raise ValueError(f"a line table of version {version}, {length} bytes")
    at += 2 + (2 if version >= 5 else 0)
    start, at = at + width + unsigned(data, at, width), at + width
    minimum, at = data[at], at + (2 if version >= 4 else 1)
    default, base, span, opcode_base = data[at], data[at + 1], data[at + 2], data[at + 3]
    if not span or not opcode_base:
        raise ValueError("a line table without opcodes")
    lengths = data[at + 4 : at + 3 + opcode_base]
    base = base - 256 if base > 127 else base
    names = at + 3 + opcode_base
    return _Header(
        version, width, minimum, bool(default), base, span, opcode_base, lengths, names, start, end
    )


def _joined(folders: list[str], number: int, name: str) -> str:
    folder = folders[number] if 0 <= number < len(folders) else ""
    if number and folders and folder:
        folder = os.path.join(folders[0], folder)
    return os.path.normpath(os.path.join(folder, name)) if name else ""
