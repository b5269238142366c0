"""What the source of one program file says, as far as it is asked: the door of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from uprobe_core.debuginfo.callers import Callers, SourceOf
from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED, damage
from uprobe_core.debuginfo.finder import Found, find_debug
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.functions import Instance, function_at, inlined_names, instances_of
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.lines import LineTable, program_of
from uprobe_core.debuginfo.stops import stops_of
from uprobe_core.debuginfo.unit import Die
from uprobe_core.debuginfo.unreadable import Unreadable, split_off
from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck
from uprobe_core.events.hints import nearest
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.unwinding import FrameRules

if TYPE_CHECKING:
    from uprobe_core.debuginfo.names import Names

__all__ = ("Source",)

_FEW = 64
"""Functions that are looked for one by one."""


class Source:
    """The debug information of *image*, which the guest calls *path*.

    :param folders: of this machine, laid out as /usr/lib/debug is
    """

    def __init__(self, image: ElfImage, path: str, files: FileCheck, folders: Sequence[str] = ()) -> None:
        self.image, self.path = image, path
        self._files, self._folders = files, folders
        self._asked = 0
        self._inlined: dict[int, Die] = {}
        """Instances of functions that were asked for, by the address where they begin."""

    @cached_property
    def found(self) -> Found:
        """Where it is."""
        return find_debug(self.image, self.path, self._files, self._folders)

    def names(
        self,
        offset: int,
        rules: FrameRules,
        sources: SourceOf = lambda _path: None,
        *,
        at_return: bool = False,
    ) -> Names | Unreadable | None:
        """What can be named at file *offset*; None if nothing is said of the code there.

        :param sources: other files, which callers may be in
        """
        from uprobe_core.debuginfo.names import Names

        vaddr, info = self.image.offset_to_vaddr(offset), self.found.info
        if self.found.error is not None:
            return Unreadable(self.found.error)
        if vaddr is None or info is None:
            return None
        try:
            function = function_at(info, vaddr)
            if function is None:
                return self._nothing(info, vaddr)
            frame = Frame(self.image, function, vaddr, offset, rules)
            entry_value = partial(Callers(sources).entry_value, frame)
            inside = self._inlined.get(vaddr)
            return Names(frame, at_return=at_return, entry_value=entry_value, inside=inside)
        except DAMAGED as error:
            return Unreadable(damage(info.elf.path, error))

    @staticmethod
    def _nothing(info: DebugInfo, vaddr: int) -> Unreadable | None:
        """Why nothing is known of the code at *vaddr*; None if nothing was ever said of it."""
        unit = info.unit_at(vaddr)
        error = None if unit is None else split_off(unit)
        if unit is None and info.is_cut:
            error = damage(info.elf.path, ValueError(f"what follows {len(info.headers)} units is none"))
        return None if error is None else Unreadable(error)

    @cached_property
    def lines(self) -> LineTable:
        """The line tables; raises TargetError if there are none."""
        if self.found.info is None:
            raise TargetError(
                f"no line information in {self.image.path}",
                hint="compile with -g, or give a symbol; --debug-dir says where debug files are",
                slug="no-lines",
            )
        return LineTable(self.found.info)

    @cached_property
    def _inlined_names(self) -> frozenset[str]:
        """What is inlined somewhere, as the source and as the linker call it."""
        return frozenset() if self.found.info is None else inlined_names(self.found.info)

    def instances(self, name: str) -> list[Instance]:
        """Where the function called *name* has code, of its own or in others; [] if nothing is said of it.

        Who asks for many has all units read once, and is then answered at once for functions that are
        inlined nowhere.
        """
        info = self.found.info
        self._asked += 1
        try:
            if self._asked > _FEW and info is not None and name not in self._inlined_names:
                return []
            found = [] if info is None else instances_of(info, name)
        except DAMAGED:
            return []
        self._inlined |= {each.entry: each.die for each in found if each.inlined}
        return found

    def addresses(self, file: str, line: int, column: int = 0) -> list[int]:
        """The places to stop at *line* of *file*, or of the function that is called so; [] if it has no code.

        As debuggers have it: once in each block that has code of the line, and where a function begins
        behind its prologue.
        """
        found = self._stops(self.lines.addresses(file, line, column))
        if found or "." in file or "/" in file:
            return found
        try:
            places = [
                each for instance in self.instances(file) for each in self._inside(instance, line, column)
            ]
        except DAMAGED as error:
            raise TargetError(f"cannot read the line tables of {self.image.path}: {error}") from None
        return self._stops(sorted(set(places)))

    def _stops(self, addresses: list[int]) -> list[int]:
        info = self.found.info
        if info is None:
            return addresses
        try:
            return stops_of(info, addresses)
        except DAMAGED as error:
            raise damage(info.elf.path, error) from None

    def _inside(self, instance: Instance, line: int, column: int) -> list[int]:
        """The places to stop at *line* in one instance of a function."""
        program, holder = program_of(instance.die.unit), instance.die.find(At.DECL_FILE)
        origin = None if holder is None else program_of(holder.unit)
        if program is None or holder is None or origin is None:
            return []
        name = origin.files[holder.get(At.DECL_FILE)]
        rows = [row for row in program.rows if row.is_stmt and not row.ends and instance.covers(row.address)]
        return [
            row.address
            for row in rows
            if row.line == line and column in (0, row.column) and program.files[row.file] == name
        ]

    def _lines_of(self, function: str) -> list[int]:
        """The lines of *function* that have code, [] if none is called so."""
        instances = [] if "." in function or "/" in function else self.instances(function)
        programs = [(each, program_of(each.die.unit)) for each in instances if not each.inlined]
        rows = [
            row for each, program in programs if program for row in program.rows if each.covers(row.address)
        ]
        return sorted({row.line for row in rows if row.is_stmt and row.line})[:20]

    def line_hint(self, file: str, line: int, column: int = 0) -> str:
        """What to write instead of a source line that has no code."""
        columns = self.lines.columns(file, line) if column else []
        if columns:
            return f"columns of that line with code: {', '.join(map(str, columns))}"
        lines = self._lines_of(file)
        if lines:
            return f"lines of {file} with code: {', '.join(map(str, lines))}"
        lines = self.lines.nearest_lines(file, line)
        if lines:
            return f"the nearest lines of {file} with code: {' and '.join(map(str, lines))}"
        files = self.lines.files()
        names = {name.rpartition("/")[2] for name in files} | set(files)
        return nearest(file, names) or "is the file name right?"
