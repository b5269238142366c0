"""Source lines: from ``FILE.c:LINE`` to addresses and back, reading only the tables that know the file.

Which tables those are is told by looking for the file's name in the sections
themselves, so that a line of a large library takes no longer than one of a small program.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED, unsigned
from uprobe_core.debuginfo.info import DebugInfo, all_of
from uprobe_core.debuginfo.line_program import LineProgram, Row
from uprobe_core.debuginfo.unit import Unit
from uprobe_core.errors import TargetError

__all__ = ("LineTable", "first_of_runs", "program_of")


def program_of(unit: Unit) -> LineProgram | None:
    """The line table of *unit*, None if it has none."""
    root, sections = unit.outline.root, unit.outline.sections
    at = root.get(At.STMT_LIST)
    if at is None or not sections.line:
        return None
    return LineProgram(sections, int(at), str(root.get(At.COMP_DIR, "")))


def _beginnings(texts: bytes, at: int) -> Iterator[int]:
    """Where a path whose last component is at *at* may begin."""
    first = texts.rfind(b"\0", 0, at) + 1
    yield first
    yield from (place + 1 for place in range(first, at) if texts[place] == ord("/"))


class LineTable:
    """The line tables of one file; raises TargetError where they are damaged, or there are none."""

    def __init__(self, info: DebugInfo) -> None:
        self._info = info
        self._programs: dict[int, LineProgram] = {}
        self._chosen: dict[str, list[LineProgram]] = {}

    def _failed(self, error: Exception) -> TargetError:
        return TargetError(f"cannot read the line tables of {self._info.elf.path}: {error}", slug="bad-lines")

    @cached_property
    def _starts(self) -> list[int]:
        """Where each table begins; what comes before damage is good."""
        data, at, found = self._info.sections.line, 0, []
        try:
            while at < len(data):
                size = unsigned(data, at, 4)
                width, size = (12, unsigned(data, at + 4, 8)) if size == 0xFFFF_FFFF else (4, size)
                found.append(at)
                at += width + size
        except IndexError:
            pass
        return found

    def _naming(self, file: str) -> list[LineProgram]:
        """The tables that have a file whose last path component is that of *file*."""
        name = file.rpartition("/")[2]
        if name not in self._chosen:
            if not self._starts:
                raise TargetError(
                    f"no line information in {self._info.elf.path}",
                    hint="compile with -g, or give a symbol or an offset",
                    slug="no-lines",
                )
            try:
                self._chosen[name] = [self._program(at) for at in sorted(self._places(name))]
            except DAMAGED as error:
                raise self._failed(error) from None
        return self._chosen[name]

    def _places(self, name: str) -> set[int]:
        """Where the tables begin that hold *name*, or where it is in a section of texts."""
        sections, wanted = self._info.sections, name.encode("utf-8", "surrogateescape") + b"\0"
        found = all_of(sections.line, wanted)
        for texts in (sections.line_str, sections.str):
            # A linker lets a text be the end of a longer one: any part of a path may be where it begins.
            starts = {start for at in all_of(texts, wanted) for start in _beginnings(texts, at)}
            found += [place for at in starts for place in all_of(sections.line, at.to_bytes(4, "little"))]
        return {self._starts[bisect_right(self._starts, at) - 1] for at in found}

    def _program(self, at: int) -> LineProgram:
        if at not in self._programs:
            self._programs[at] = LineProgram(self._info.sections, at, self._folders.get(at, ""))
        return self._programs[at]

    @cached_property
    def _folders(self) -> dict[int, str]:
        """What relative names start from, by table."""
        roots = (unit.root for unit in self._info.own_units())
        return {
            root.get(At.STMT_LIST): str(root.get(At.COMP_DIR, ""))
            for root in roots
            if root.get(At.STMT_LIST) is not None
        }

    def statements(self, file: str) -> Iterator[tuple[str, int, int]]:
        """(file as compiled, line, address) of each statement of *file*.

        Line 0 is where other code begins: of another file, or of none.
        *file* matches whole trailing path components (``a.c``, ``src/a.c``).
        """
        for program in self._naming(file):
            try:
                names, rows = program.files, program.rows
            except DAMAGED as error:
                raise self._failed(error) from None
            numbers = {number for number, name in enumerate(names) if _matches(name, file)}
            yield from _of_files(rows, names, numbers)

    def stretches(self) -> Iterator[tuple[str, int, int, int]]:
        """(file as compiled, line, first address, address behind) of all code that belongs to a line."""
        try:
            for program in map(self._program, self._starts):
                names, before = program.files, None
                for row in program.rows:
                    if before is not None and before.line and before.address < row.address:
                        yield names[before.file], before.line, before.address, row.address
                    before = None if row.ends else row
        except DAMAGED as error:
            raise self._failed(error) from None

    def addresses(self, file: str, line: int, column: int = 0) -> list[int]:
        """The addresses of the statements of *line*, in order.

        :param column: only what begins there, and of each stretch of it the first; 0: anywhere

        Empty if the file is not there or the line has no code.
        """
        if column:
            return self._at_column(file, line, column)
        rows = [row for _, rows in self._rows_of(file) for row in rows if row.line == line and row.is_stmt]
        first = {row.address for row in rows if not row.again}
        return sorted({address for _, at, address in self.statements(file) if at == line} & first)

    def _at_column(self, file: str, line: int, column: int) -> list[int]:
        places = []
        for numbers, rows in self._rows_of(file):
            for row in rows:
                if row.is_stmt or row.ends:
                    wanted = row.file in numbers and (row.line, row.column) == (line, column)
                    places.append((row.address, wanted and not row.ends))
        return first_of_runs(places)

    def columns(self, file: str, line: int) -> list[int]:
        """The columns of *line* at which code begins."""
        rows = [(row, numbers) for numbers, rows in self._rows_of(file) for row in rows]
        return sorted({row.column for row, numbers in rows if row.file in numbers and row.line == line} - {0})

    def _rows_of(self, file: str) -> Iterator[tuple[set[int], list[Row]]]:
        """The numbers of *file* in each table that knows it, and the table's rows."""
        for program in self._naming(file):
            try:
                names, rows = program.files, program.rows
            except DAMAGED as error:
                raise self._failed(error) from None
            yield {number for number, name in enumerate(names) if _matches(name, file)}, rows

    def nearest_lines(self, file: str, line: int) -> list[int]:
        """The last line of *file* with code before *line* and the first after it, as far as there are any."""
        lines = {at for _, at, _ in self.statements(file) if at}
        before = max((at for at in lines if at < line), default=0)
        after = min((at for at in lines if at > line), default=0)
        return [at for at in (before, after) if at]

    def files(self) -> list[str]:
        """The source files, each once, sorted."""
        try:
            return sorted({name for at in self._starts for name in self._program(at).files if name})
        except DAMAGED as error:
            raise self._failed(error) from None


def _of_files(rows: list[Row], names: list[str], numbers: set[int]) -> Iterator[tuple[str, int, int]]:
    """The statements in the files *numbers*, and where each stretch of them ends.

    One without code, because another file goes on at its address, is none (gdb's record_line).
    """
    inside, here = False, list[tuple[str, int, int]]()
    for row in rows:
        if not (row.is_stmt or row.ends):
            continue
        if here and row.address != here[0][2]:
            yield from here
            here = []
        wanted = not row.ends and row.file in numbers and row.line > 0
        if wanted:
            here.append((names[row.file], row.line, row.address))
        elif row.ends or row.line:
            here = []
        if inside and not wanted:
            yield "", 0, row.address
        inside = wanted
    yield from here


def first_of_runs(places: list[tuple[int, bool]]) -> list[int]:
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
