"""The debug information of one file: its units, found by address or by a name, without reading them all."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.debuginfo.abbreviations import Abbreviations
from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.forms import OTHER_FILE, REFERENCES, SHORT_REFERENCES, SIGNATURE
from uprobe_core.debuginfo.ranges import ranges_of
from uprobe_core.debuginfo.sections import Sections
from uprobe_core.debuginfo.spans import Spans
from uprobe_core.debuginfo.unit import Die, Unit
from uprobe_core.debuginfo.unit_header import UnitHeader, parse_header

if TYPE_CHECKING:
    from uprobe_core.image.elf import ElfFile

__all__ = ("DebugInfo", "all_of")

_NAMES = frozenset({At.NAME, At.LINKAGE_NAME, At.MIPS_LINKAGE_NAME})
_ORIGINS = frozenset({At.ABSTRACT_ORIGIN, At.SPECIFICATION})
_MOST_FOUND = 4096
"""Places where one name is used that are looked at."""


class Halves(Protocol):
    """Where the rest of units lies that are split off; see split.py."""

    def half_of(self, skeleton: Unit, whole: DebugInfo) -> Unit | None:
        """The unit of which *skeleton* of *whole* is the outline; None if it is not found."""
        ...

    def named(self, whole: DebugInfo, name: str, tags: frozenset[int]) -> Iterator[Die]:
        """The entries called *name* in all of them."""
        ...


class DebugInfo:
    """What *elf* says of its source; addresses are the file's own.

    :param shared: the file that it shares entries with (dwz's), None without one
    :param entries: the section that they are in, see :class:`Sections`
    :param halves: finds units that are split off, None: there are none

    Everything here raises one of DAMAGED where the sections are not as they should be.
    """

    def __init__(
        self,
        elf: ElfFile,
        shared: DebugInfo | None = None,
        entries: str = "info",
        halves: Halves | None = None,
    ) -> None:
        self.sections, self.shared = Sections(elf, entries), shared
        self.whole: DebugInfo = self
        self._halves = halves
        self._of_types = entries == "types"
        self._units: dict[int, Unit] = {}
        self._tables: dict[int, Abbreviations] = {}
        self.functions: dict[int, list[Any]] = {}
        """Functions with code of units that were looked at, by the unit's offset: see functions.py."""
        self.spans: dict[int, Spans] = {}
        """Where the code of these is, by the same."""
        self.jumps_back: dict[int, bool] = {}
        """Whether functions may tail-call themselves, by their offset: see callers.py."""
        self.line_programs: dict[int, Any] = {}
        """Line tables of units that were asked for, by the unit's offset: see listing.py."""

    @property
    def elf(self) -> ElfFile:
        """The file."""
        return self.sections.elf

    @cached_property
    def headers(self) -> list[UnitHeader]:
        """Those of all units; what comes before damage is good."""
        found: list[UnitHeader] = []
        data, at = self.sections.info, 0
        try:
            while at < len(data):
                found.append(parse_header(data, at, of_types=self._of_types))
                at = found[-1].end
        except DAMAGED:
            pass
        return found

    @property
    def is_cut(self) -> bool:
        """Whether units are missing, because what should be the next one is none."""
        return (self.headers[-1].end if self.headers else 0) < len(self.sections.info)

    @cached_property
    def _starts(self) -> list[int]:
        return [header.offset for header in self.headers]

    def abbreviations(self, header: UnitHeader) -> Abbreviations:
        """The table of the unit with *header*."""
        table = self._tables.get(header.abbreviations)
        if table is None:
            data = self.sections.abbrev
            table = Abbreviations(data, header.abbreviations, header.offset_size, header.address_size)
            self._tables[header.abbreviations] = table
        return table

    def unit(self, header: UnitHeader) -> Unit:
        """The unit with *header*."""
        found = self._units.get(header.offset)
        if found is None:
            found = self._units[header.offset] = Unit(self, header)
        return found

    def own_units(self) -> Iterator[Unit]:
        """All of the file, in its order; of those that are split off what is here."""
        return map(self.unit, self.headers)

    def units(self) -> Iterator[Unit]:
        """All of them, in the order of the file."""
        return map(self._completed, self.own_units())

    def _completed(self, unit: Unit) -> Unit:
        """Where the entries of *unit* are: in itself, or in its other half if that is found."""
        half = None if self._halves is None else self._halves.half_of(unit, self)
        return unit if half is None else half

    def unit_around(self, offset: int) -> Unit | None:
        """The unit that has *offset* of .debug_info."""
        at = bisect_right(self._starts, offset) - 1
        return self.unit(self.headers[at]) if at >= 0 and offset < self.headers[at].end else None

    def die(self, offset: int) -> Die:
        """The entry at *offset*; raises ValueError."""
        unit = self.unit_around(offset)
        if unit is None:
            raise ValueError(f"no unit at {offset:#x}")
        return unit.die(offset)

    def referred(self, form: int, value: Any) -> Die | None:
        """What an attribute of reference *form* refers to; None if that is not at hand."""
        if form in OTHER_FILE:
            return None if self.shared is None else self.shared.die(value)
        if form == SIGNATURE:
            return self._signed(value)
        return self.die(value) if form in REFERENCES else None

    # --- types in units of their own ------------------------------------------------------------

    @cached_property
    def _types(self) -> DebugInfo | None:
        """The units of .debug_types (DWARF 4), None without them."""
        if self._of_types or self.elf.section(".debug_types") is None:
            return None
        return DebugInfo(self.elf, self.shared, "types")

    @cached_property
    def _signatures(self) -> dict[int, UnitHeader]:
        """Type units by what they are referred to by."""
        return {header.signature: header for header in self.headers if header.type_at}

    def _signed(self, signature: int) -> Die | None:
        header = self._signatures.get(signature)
        if header is not None:
            return self.unit(header).die(header.type_at)
        return None if self._types is None else self._types.referred(SIGNATURE, signature)

    # --- by address -----------------------------------------------------------------------------

    @cached_property
    def _by_address(self) -> tuple[list[int], list[tuple[int, int, int]]]:
        """[start, end) and the unit's offset, of all code, sorted; and the starts."""
        listed = sorted(self._from_aranges())
        covered = {offset for _, _, offset in listed}
        for unit in self.own_units():
            if unit.header.offset not in covered and unit.is_whole:
                listed += [(start, end, unit.header.offset) for start, end in ranges_of(unit.root)]
        listed.sort()
        return [start for start, _, _ in listed], listed

    def _from_aranges(self) -> Iterator[tuple[int, int, int]]:
        data, at = self.sections.aranges, 0
        while at + 12 <= len(data):
            length, version, unit = struct.unpack_from("<IHI", data, at)
            size = data[at + 10]
            if length == 0xFFFF_FFFF or version != 2 or size != 8 or data[at + 11]:
                return  # nobody writes others for such machines; the units say it as well
            end, first = at + 4 + length, at + 16  # tuples are aligned to their size, from the header on
            for start, extent in struct.iter_unpack("<QQ", data[first : first + (end - first) // 16 * 16]):
                if extent:
                    yield start, start + extent, unit
            at = end

    def unit_at(self, vaddr: int) -> Unit | None:
        """The unit that the code at *vaddr* was compiled from."""
        starts, listed = self._by_address
        at = bisect_right(starts, vaddr) - 1
        for start, end, unit in listed[max(at - 3, 0) : at + 1][::-1]:  # stretches do not overlap, or hardly
            if start <= vaddr < end:
                found = self.unit_around(unit)
                return None if found is None else self._completed(found)
        return None

    # --- by what they hold --------------------------------------------------------------------------

    def named(self, name: str, tags: frozenset[int]) -> list[Die]:
        """The entries of *tags* that are called *name*, found by the text that they hold or refer to."""
        text = name.encode("utf-8", "surrogateescape") + b"\0"
        places = all_of(self.sections.str, text)  # also in the middle: linkers merge texts that end alike
        held = [text, *(at.to_bytes(4, "little") for at in places)]
        if self.shared is not None:
            held += [at.to_bytes(4, "little") for at in all_of(self.shared.sections.str, text)]
        found = {die.offset: die for data in held for die in self._holding(data, _NAMES, tags)}
        for unit in self._numbering(places):
            dies = (unit.die(entry.offset) for entry in unit.scan() if entry.tag in tags)
            found |= {die.offset: die for die in dies}
        wanted = [die for die in found.values() if name in {die.get(each) for each in _NAMES}]
        found_apart = [] if self._halves is None else list(self._halves.named(self, name, tags))
        return [*self._real(wanted), *(self._types.named(name, tags) if self._types else []), *found_apart]

    def referring(self, die: Die, tags: frozenset[int]) -> list[Die]:
        """The entries of *tags* that are instances of *die* or define it, in whatever unit."""
        if die.unit.is_split and die.unit.info is not self:
            return die.unit.info.referring(die, tags)
        found: dict[int, Die] = {}
        if At.ABSTRACT_ORIGIN not in die.attributes:  # others refer to what such a copy refers to
            whole = die.offset.to_bytes(4, "little")
            found = {each.offset: each for each in self._holding(whole, _ORIGINS, tags)}
        if die.unit.info is self:
            found |= {each.offset: each for each in self._referring_near(die, tags)}
        wanted = [each for each in found.values() if self._refers(each, die)]
        return self._real(wanted)

    def _referring_near(self, die: Die, tags: frozenset[int]) -> Iterator[Die]:
        """What may refer to *die* in its own unit."""
        unit, header = die.unit, die.unit.header
        if unit.forms(_ORIGINS, tags) & SHORT_REFERENCES:  # dwz's: too short to be looked for as bytes
            return (unit.die(entry.offset) for entry in unit.scan() if entry.tag in tags)
        near = (die.offset - header.offset).to_bytes(4, "little")
        return self._holding(near, _ORIGINS, tags, (header.first, header.end))

    def _refers(self, die: Die, to: Die) -> bool:
        """Whether *die* is an instance or definition of *to*."""
        for attribute in _ORIGINS:
            form, value = die.attributes.get(attribute, (0, None))
            holder = self.shared if form in OTHER_FILE else self
            if value == to.offset and holder is to.unit.info:
                return True
        return False

    def _holding(
        self,
        data: bytes,
        attributes: frozenset[int],
        tags: frozenset[int],
        span: tuple[int, int] | None = None,
    ) -> Iterator[Die]:
        """What may be an entry of *tags* that holds *data* as one of *attributes*."""
        for at in all_of(self.sections.info, data, *(span or ())):
            unit = self.unit_around(at)
            if unit is not None:
                yield from unit.holding(at, attributes, tags)

    def _real(self, dies: list[Die]) -> list[Die]:
        """Those of *dies* that are entries: where what looks like one overlaps another, only one is."""
        order = sorted(dies, key=lambda die: die.offset)
        pairs = [(a, b) for a, b in pairwise(order) if b.offset < a.after]
        doubtful = {die.offset for pair in pairs for die in pair}
        return [die for die in order if die.offset not in doubtful or die.offset in die.unit.offsets]

    def is_code(self, start: int, end: int) -> bool:
        """Whether [start, end) is in a part of the file that is loaded as code."""
        spans = self._code
        return any(low <= start and end <= high for low, high in spans)

    @cached_property
    def _code(self) -> list[tuple[int, int]]:
        return [(s.vaddr, s.vaddr + s.memory_size) for s in self.elf.segments if s.flags & 1]

    def _numbering(self, places: list[int]) -> list[Unit]:
        """The units that number one of the texts at *places* (.debug_str_offsets)."""
        table = self.sections.str_offsets
        if not table or not places:
            return []
        units = enumerate(self.own_units())
        bases = sorted((unit.str_offsets_base, n) for n, unit in units if unit.version >= 5 or unit.is_split)
        starts = [base for base, _ in bases]
        found: set[int] = set()
        for at in (at for place in places for at in all_of(table, place.to_bytes(4, "little"))):
            below = bisect_right(starts, at) - 1
            if below >= 0:
                found |= {n for base, n in bases if base == starts[below]}
        return [self.unit(self.headers[number]) for number in sorted(found)]


def all_of(data: bytes, wanted: bytes, start: int = 0, end: int | None = None) -> list[int]:
    """Where *wanted* stands in *data*, from *start* up to *end*."""
    found: list[int] = []
    end = len(data) if end is None else end
    at = data.find(wanted, start, end)
    while at >= 0 and len(found) < _MOST_FOUND:
        found.append(at)
        at = data.find(wanted, at + 1, end)
    return found
