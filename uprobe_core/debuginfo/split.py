"""Split debug information (-gsplit-dwarf): units whose entries lie in a .dwo file of their own, or in a
.dwp file with those of all units (DWARF 5, 3.1.2, 3.1.3 and 7.3; before that GNU's "DebugFission").

What the linker has to know (addresses, ranges, lines) stays in the program, in a skeleton of the unit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from uprobe_core.debuginfo.abbreviations import Abbreviations
from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.package import ABBREV, LISTS, RANGES, TEXTS, Package, Row
from uprobe_core.debuginfo.sections import Sections
from uprobe_core.debuginfo.unit import Die, Family, Unit
from uprobe_core.debuginfo.unit_header import UnitHeader
from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck, host_file
from uprobe_core.image.debug_files import absolute
from uprobe_core.image.elf import ElfFile

__all__ = ("SplitFiles", "dwo_name")

_NO_ROW: Row = {}
_OF_THE_FILE = frozenset({"info", "types", "abbrev", "str", "str_offsets", "loc", "loclists", "rnglists"})


def dwo_name(unit: Unit) -> str:
    """Where the rest of *unit* lies, as its compiler called it; "" if it is all here."""
    name = unit.root.get(At.DWO_NAME) or unit.root.get(At.GNU_DWO_NAME)
    return name if isinstance(name, str) else ""


def _is_outline(unit: Unit) -> bool:
    try:
        return unit.is_whole and bool(dwo_name(unit))
    except DAMAGED:
        return False


def _identity(unit: Unit) -> int:
    """What a skeleton and its other half have in common."""
    return int(unit.header.signature or unit.root.get(At.GNU_DWO_ID, 0))


class _SplitSections(Sections):
    """Sections of *other*, a .dwo or .dwp file, and of the program's those that are not split off."""

    def __init__(self, whole: Sections, other: ElfFile, entries: str = "info") -> None:
        super().__init__(whole.elf, entries)
        self._whole, self._other = whole, other

    def _bytes(self, name: str) -> bytes:
        if name in _OF_THE_FILE:
            named = f".debug_{name}.dwo"  # there is one for each unit of types
            return b"".join(self._other.bytes_of(each) for each in self._other.sections if each.name == named)
        return bytes(getattr(self._whole, name))

    def load(self) -> None:
        """Read what the other file has, so that it can be closed."""
        for name in ("info", "abbrev", "str", "str_offsets", "loc", "loclists", "rnglists"):
            getattr(self, name)


class _SplitUnit(Unit):
    """A unit of a .dwo or .dwp file.

    :ivar outline: its skeleton in the program, which knows where its code is; itself in a type's unit
    """

    def __init__(self, info: Family, header: UnitHeader, skeleton: Unit | None, row: Row) -> None:
        super().__init__(info, header)
        self._row = row
        self.outline = self if skeleton is None else skeleton
        self.lists_at = row.get(LISTS, 0)
        old = 0 if skeleton is None else int(skeleton.root.get(At.GNU_RANGES_BASE, 0))
        self.ranges_at = row.get(RANGES, 0) if self.version >= 5 else old

    @cached_property
    def str_offsets_base(self) -> int:
        return self._row.get(TEXTS, 0) + (8 if self.version >= 5 else 0)

    @cached_property
    def addr_base(self) -> int:
        skeleton = self.outline
        if self.version >= 5:
            return 8 if skeleton is self else skeleton.addr_base
        return int(skeleton.root.get(At.GNU_ADDR_BASE, 0))

    @cached_property
    def loclists_base(self) -> int:
        return self.lists_at + 12

    @cached_property
    def rnglists_base(self) -> int:
        return self.ranges_at + 12

    @property
    def is_split(self) -> bool:
        return True

    @cached_property
    def low_pc(self) -> int:
        return 0 if self.outline is self else self.outline.low_pc


class SplitInfo(DebugInfo):
    """The debug information of one .dwo or .dwp file, *other*, which belongs to *whole*."""

    def __init__(self, whole: DebugInfo, other: ElfFile, entries: str = "info") -> None:
        super().__init__(whole.elf, None, entries)
        self.whole, self._other = whole, other
        self.sections: Sections = _SplitSections(whole.sections, other, entries)
        self._skeletons: dict[int, Unit] = {}
        self._package = Package(other, is_of_types=entries == "types")

    @cached_property
    def _types(self) -> DebugInfo | None:
        if self._of_types or self._other.section(".debug_types.dwo") is None:
            return None
        return SplitInfo(self.whole, self._other, "types")

    def read_all(self) -> None:
        """Read what is in the file, and close it."""
        sections = self.sections
        assert isinstance(sections, _SplitSections)
        sections.load()
        if isinstance(self._types, SplitInfo):
            self._types.read_all()
        self._other.close()

    def row(self, header: UnitHeader) -> Row:
        """Where the unit's parts of the other sections begin, by section; all at 0 in a .dwo file."""
        return self._package.rows.get(header.offset, _NO_ROW)

    def abbreviations(self, header: UnitHeader) -> Abbreviations:
        start = self.row(header).get(ABBREV, 0)
        return super().abbreviations(header._replace(abbreviations=header.abbreviations + start))

    def unit(self, header: UnitHeader) -> Unit:
        found = self._units.get(header.offset)
        if found is None:
            skeleton = self._skeletons.get(header.offset)
            found = self._units[header.offset] = _SplitUnit(self, header, skeleton, self.row(header))
        return found

    def half_of(self, skeleton: Unit) -> Unit | None:
        """The unit that *skeleton* is one of; None if it is not in this file."""
        wanted = _identity(skeleton)
        for header in self._candidates(wanted):
            self._skeletons[header.offset] = skeleton
            self._units.pop(header.offset, None)
            unit = self.unit(header)
            if unit.version == skeleton.version and _identity(unit) == wanted:
                return unit
            del self._skeletons[header.offset], self._units[header.offset]
        return None

    def _candidates(self, wanted: int) -> list[UnitHeader]:
        if not self._package.is_there:
            return [header for header in self.headers if not header.type_at]
        at = self._package.places.get(wanted)
        return [header for header in self.headers if header.offset == at]


class SplitFiles:
    """Finds the other halves of the units of one program file.

    :param path: as the guest calls the program
    :param folders: of this machine, laid out as /usr/lib/debug is
    """

    def __init__(self, path: str, files: FileCheck, folders: Sequence[str]) -> None:
        self._path, self._files = path, files
        self._folders = [folder for folder in folders if "://" not in folder]
        self._packed: SplitInfo | None = None
        self._halves: dict[int, Unit | None] = {}
        self._skeletons: list[Unit] | None = None

    def half_of(self, skeleton: Unit, whole: DebugInfo) -> Unit | None:
        """The unit of which *skeleton* of *whole* is the outline; None if it is not found."""
        key = skeleton.header.offset
        if key not in self._halves:
            try:
                self._halves[key] = self._found(skeleton, whole)
            except DAMAGED:  # what is not whole is not there
                self._halves[key] = None
        return self._halves[key]

    def named(self, whole: DebugInfo, name: str, tags: frozenset[int]) -> Iterator[Die]:
        """The entries called *name* in all of them; files that have none are not kept."""
        outlines = self._outlines(whole)
        packed = self._package(whole) if outlines else None
        if packed is not None:
            for unit in outlines:
                self.half_of(unit, whole)
            yield from packed.named(name, tags)
            return
        for unit in outlines:
            half = self._halves.get(unit.header.offset) or self._found(unit, whole)
            dies = [] if half is None else self._all(half, name, tags)
            if dies:
                self._halves[unit.header.offset] = half
            yield from dies

    def _outlines(self, whole: DebugInfo) -> list[Unit]:
        """The units that are split off; [] after a look at the sections where there are none."""
        if self._skeletons is None:
            has_addresses = whole.elf.section(".debug_addr") is not None
            self._skeletons = [*filter(_is_outline, whole.own_units())] if has_addresses else []
        return self._skeletons

    @staticmethod
    def _all(half: Unit, name: str, tags: frozenset[int]) -> list[Die]:
        try:
            return half.info.named(name, tags)
        except DAMAGED:
            return []

    def _found(self, skeleton: Unit, whole: DebugInfo) -> Unit | None:
        if not dwo_name(skeleton):
            return None
        packed = self._package(whole)
        half = None if packed is None else packed.half_of(skeleton)
        places = iter(()) if half is not None else self._places(skeleton, whole)
        for path in places:
            half = half or self._half(path, skeleton, whole)
        return half

    def _half(self, path: str, skeleton: Unit, whole: DebugInfo) -> Unit | None:
        info = _opened(path, whole)
        try:
            half = None if info is None else info.half_of(skeleton)
            if info is not None and half is not None:
                info.read_all()
            return half
        except DAMAGED:  # what is not whole is not there
            return None

    def _places(self, skeleton: Unit, whole: DebugInfo) -> Iterator[str]:
        """Where the .dwo file of *skeleton* may be, on this machine."""
        name, folder = dwo_name(skeleton), str(skeleton.root.get(At.COMP_DIR, ""))
        beside = os.path.dirname(whole.elf.path)
        tries = [host_file(os.path.join(beside, os.path.basename(name)))]
        tries += [host_file(os.path.join(beside, name)), self._files(os.path.join(folder, name))]
        tries += [host_file(each + "/" + os.path.join(folder, name).lstrip("/")) for each in self._folders]
        tries += [host_file(os.path.join(each, os.path.basename(name))) for each in self._folders]
        seen = {status.host_path: None for status in tries if not status.errno_name and status.regular}
        yield from seen

    def _package(self, whole: DebugInfo) -> SplitInfo | None:
        """The .dwp file of the program, None without one."""
        if self._packed is None:
            names = [f"{self._path}.dwp", f"{whole.elf.path}.dwp"]
            tries = [self._files(names[0]), host_file(names[1])]
            tries += [host_file(f"{folder}{absolute(whole.elf, self._path)}.dwp") for folder in self._folders]
            paths = (status.host_path for status in tries if not status.errno_name and status.regular)
            opened = (_opened(path, whole) for path in paths)
            self._packed = next((each for each in opened if each is not None), None)
        return self._packed


def _opened(path: str, whole: DebugInfo) -> SplitInfo | None:
    try:
        other = ElfFile(path)
        if other.section(".debug_info.dwo") is not None:
            return SplitInfo(whole, other)
        other.close()
    except TargetError:
        pass
    return None
