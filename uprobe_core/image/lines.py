"""Source lines: from ``FILE.c:LINE`` to addresses, by DWARF line tables (pyelftools, loaded when asked).

Source: DWARF 5, chapter 6.2 (line number information).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from uprobe_core.errors import TargetError

__all__ = ("LineTable",)


class LineTable:
    """The line tables of one ELF file.

    Raises TargetError when *path* has no line information.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._rows: list[tuple[str, int, int]] | None = None

    def _load(self) -> list[tuple[str, int, int]]:
        """(file as compiled, line, address) of every statement; line 0 where a sequence ends."""
        if self._rows is None:
            from elftools.common.exceptions import DWARFError, ELFError
            from elftools.elf.elffile import ELFFile

            try:
                with open(self.path, "rb") as file:
                    elf = ELFFile(file)
                    self._rows = list(_statements(elf)) if elf.has_dwarf_info() else []
            except (ELFError, DWARFError, OSError, ValueError, KeyError, AssertionError) as error:
                raise TargetError(f"cannot read the line tables of {self.path}: {error}") from None
        if not self._rows:
            raise TargetError(
                f"no line information in {self.path}",
                hint="compile with -g, or give a symbol or an offset",
                slug="no-lines",
            )
        return self._rows

    def addresses(self, file: str, line: int) -> list[int]:
        """The places to stop at *line* of *file*: the first statement of each stretch of code it has.

        *file* matches whole trailing path components (``a.c``, ``src/a.c``).
        Empty if the file is not there or the line has no code.
        """
        rows = [(at, address) for name, at, address in self._load() if not at or _matches(name, file)]
        return _first_of_runs([(address, at == line) for at, address in rows])

    def nearest_lines(self, file: str, line: int) -> list[int]:
        """The last line of *file* with code before *line* and the first after it, as far as there are any."""
        lines = {at for name, at, _ in self._load() if at and _matches(name, file)}
        before = max((at for at in lines if at < line), default=0)
        after = min((at for at in lines if at > line), default=0)
        return [at for at in (before, after) if at]

    def files(self) -> list[str]:
        """The source files, each once, sorted."""
        return sorted({name for name, line, _ in self._load() if line})


def _first_of_runs(places: list[tuple[int, bool]]) -> list[int]:
    """Of the addresses in order, the first of each uninterrupted stretch that is wanted."""
    found: list[int] = []
    inside = False
    for address, wanted in sorted(set(places)):
        if wanted and not inside:
            found.append(address)
        inside = wanted
    return found


def _matches(name: str, wanted: str) -> bool:
    """Whether *wanted* is *name*, or its last path components."""
    parts, tail = name.split("/"), wanted.split("/")
    return parts[-len(tail) :] == tail


def _statements(elf: Any) -> Iterator[tuple[str, int, int]]:
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        names = _FileNames(unit, program)
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                yield "", 0, state.address
            elif state.is_stmt and state.line:
                yield names[state.file], state.line, state.address


class _FileNames:
    """Names of a line program's files by number; numbers start at 1 before DWARF 5."""

    def __init__(self, unit: Any, program: Any) -> None:
        header = program.header
        self._version = header["version"]
        self._files = header["file_entry"]
        self._folders = [_text(folder) for folder in header["include_directory"]]
        attribute = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        self._base = _text(attribute.value) if attribute is not None else ""
        self._known: dict[int, str] = {}

    def __getitem__(self, number: int) -> str:
        if number not in self._known:
            self._known[number] = self._name(number)
        return self._known[number]

    def _name(self, number: int) -> str:
        index = number if self._version >= 5 else number - 1
        if not 0 <= index < len(self._files):
            return ""
        entry = self._files[index]
        folder = entry.dir_index if self._version >= 5 else entry.dir_index - 1
        inside = self._folders[folder] if 0 <= folder < len(self._folders) else ""
        return os.path.normpath(os.path.join(self._base, inside, _text(entry.name)))


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
