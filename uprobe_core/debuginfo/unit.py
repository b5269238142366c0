"""One unit of .debug_info: its header and its entries, each read when asked for (DWARF 5, section 7.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from uprobe_core.debuginfo.abbreviations import Abbreviations, Shape, form_size, skip_form
from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED, uleb
from uprobe_core.debuginfo.forms import read_form
from uprobe_core.debuginfo.sections import Sections
from uprobe_core.debuginfo.spans import Spans
from uprobe_core.debuginfo.unit_header import UnitHeader

__all__ = ("Die", "Entry", "Unit")

_SCANNED = frozenset(
    {
        *(Tag.SUBPROGRAM, Tag.INLINED, Tag.NAMESPACE, Tag.CLASS, Tag.STRUCTURE, Tag.UNION),
        *(Tag.ENUMERATION, Tag.BASE_TYPE, Tag.TYPEDEF, Tag.VARIABLE, Tag.LEXICAL_BLOCK),
        *(Tag.CALL_SITE, Tag.GNU_CALL_SITE, Tag.IMPORTED_UNIT),
    }
)
_MOST_DEEP = 1000
_MOST_BEFORE = 48
"""Bytes of an entry before a value that is looked for."""


class Entry(NamedTuple):
    """An entry that a scan has found.

    :param parent: index of the one around it, -1 for none
    """

    offset: int
    tag: int
    parent: int


class Family(Protocol):
    """What a unit asks of the file that it is in; see :class:`~uprobe_core.debuginfo.info.DebugInfo`."""

    sections: Sections
    functions: dict[int, list[Any]]
    spans: dict[int, Spans]
    line_programs: dict[int, Any]
    jumps_back: dict[int, bool]

    @property
    def shared(self) -> Family | None:
        """The file that it shares entries with."""
        ...

    @property
    def whole(self) -> Family:
        """The program's, of which this may be a part that is split off."""
        ...

    def abbreviations(self, header: UnitHeader) -> Abbreviations:
        """The table of the unit with *header*."""
        ...

    def die(self, offset: int) -> Die:
        """The entry at *offset*; raises ValueError."""
        ...

    def referred(self, form: int, value: Any) -> Die | None:
        """What an attribute of reference *form* refers to."""
        ...

    def named(self, name: str, tags: frozenset[int]) -> list[Die]:
        """The entries of *tags* that are called *name*."""
        ...

    def referring(self, die: Die, tags: frozenset[int]) -> list[Die]:
        """The entries of *tags* that are instances of *die* or define it."""
        ...

    def is_code(self, start: int, end: int) -> bool:
        """Whether [start, end) is in a part of the file that is loaded as code."""
        ...


@dataclass(slots=True, eq=False)
class Die:
    """One debugging information entry.

    :param attributes: (form, value) by attribute; references are offsets in the section
    :param after: where its children begin, or the next entry if it has none
    """

    unit: Unit
    offset: int
    tag: int
    has_children: bool
    attributes: dict[int, tuple[int, Any]]
    after: int

    def get(self, attribute: At, default: Any = None) -> Any:
        """The value of *attribute*."""
        found = self.attributes.get(attribute)
        return default if found is None else found[1]

    def form(self, attribute: At) -> int:
        """How *attribute* is written, 0 if it is not there."""
        found = self.attributes.get(attribute)
        return 0 if found is None else found[0]

    @property
    def name(self) -> str:
        """Its own name, "" if it has none; see also :meth:`named`."""
        value = self.get(At.NAME)
        return value if isinstance(value, str) else ""

    def ref(self, attribute: At) -> Die | None:
        """The entry that *attribute* refers to, in this file or in the one it shares entries with."""
        found = self.attributes.get(attribute)
        target = None if found is None else self.unit.info.referred(*found)
        if target is None or At.SIGNATURE not in target.attributes:
            return target
        return target.unit.info.referred(*target.attributes[At.SIGNATURE]) or target

    def origin(self) -> Die | None:
        """What this is an instance, or the definition, of."""
        return self.ref(At.ABSTRACT_ORIGIN) or self.ref(At.SPECIFICATION)

    def find(self, attribute: At) -> Die | None:
        """The entry that has *attribute*: this one, or what it is an instance of."""
        die: Die | None = self
        for _ in range(8):
            if die is None or attribute in die.attributes:
                return die
            die = die.origin()
        return None

    def named(self) -> str:
        """Its name, or that of what it is an instance of."""
        found = self.find(At.NAME)
        return "" if found is None else found.name

    def children(self) -> Iterator[Die]:
        """The entries directly below it."""
        return self.unit.children_of(self)

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from all others."""
        return id(self.unit.info), self.offset


class Unit:
    """One unit, and what its root says.

    :ivar outline: the unit that says where its code and its lines are
    :ivar lists_at: where its part of the location lists begins
    :ivar ranges_at: where its part of the range lists begins
    """

    outline: Unit
    lists_at: int = 0
    ranges_at: int = 0

    def __init__(self, info: Family, header: UnitHeader) -> None:
        self.info, self.header, self.sections = info, header, info.sections
        self.data, self.start = info.sections.info, header.offset
        self.version, self.offset_size = header.version, header.offset_size
        self.address_size = header.address_size
        self.outline = self
        self._dies: dict[int, Die] = {}

    @cached_property
    def _table(self) -> Abbreviations:
        return self.info.abbreviations(self.header)

    @cached_property
    def root(self) -> Die:
        """The unit's own entry."""
        return self.die(self.header.first)

    @property
    def shared_texts(self) -> bytes:
        """The texts of the file that entries are shared with, b"" without one."""
        return b"" if self.info.shared is None else self.info.shared.sections.str

    @property
    def is_split(self) -> bool:
        """Whether it lies in a file of its own, see split.py."""
        return False

    @property
    def is_whole(self) -> bool:
        """Whether it stands for a compilation, and is not only shared or split off."""
        return self.root.tag in (Tag.COMPILE_UNIT, Tag.SKELETON_UNIT)

    def _base(self, attribute: At, default: int) -> int:
        """A base that the root gives; read apart, because values of the root may need it."""
        table = self._table
        code, at = uleb(self.data, self.header.first)
        for name, form, constant in table[code].specs:
            if name == attribute:
                return int(read_form(self, form, at, constant)[0])
            at = self._skip_one(form, at)
        return default

    def _skip_one(self, form: int, at: int) -> int:
        size = form_size(form, self.offset_size, self.address_size)
        if size is not None:
            return at + size
        return skip_form(self.data, at, form, self.offset_size, self.address_size)

    @cached_property
    def str_offsets_base(self) -> int:
        """Where its part of .debug_str_offsets begins."""
        return self._base(At.STR_OFFSETS_BASE, 2 * self.offset_size)

    @cached_property
    def addr_base(self) -> int:
        """Where its part of .debug_addr begins."""
        return self._base(At.ADDR_BASE, 8)

    @cached_property
    def rnglists_base(self) -> int:
        """Where its offsets of .debug_rnglists begin."""
        return self._base(At.RNGLISTS_BASE, 12 if self.offset_size == 4 else 20)

    @cached_property
    def loclists_base(self) -> int:
        """Where its offsets of .debug_loclists begin."""
        return self._base(At.LOCLISTS_BASE, 12 if self.offset_size == 4 else 20)

    @cached_property
    def low_pc(self) -> int:
        """What its ranges are relative to."""
        return int(self.root.get(At.LOW_PC, 0))

    # --- entries --------------------------------------------------------------------------------

    def die(self, offset: int) -> Die:
        """The entry at *offset* of the section; raises ValueError or IndexError if there is none."""
        found = self._dies.get(offset)
        if found is None:
            if not self.header.first <= offset < self.header.end:
                raise ValueError(f"no entry at {offset:#x}")
            found = self._dies[offset] = self._read(offset)
        return found

    def _read(self, offset: int) -> Die:
        code, at = uleb(self.data, offset)
        shape = self._table[code]
        attributes: dict[int, tuple[int, Any]] = {}
        for name, form, constant in shape.specs:
            value, real, at = read_form(self, form, at, constant)
            attributes.setdefault(name, (real, value))
        return Die(self, offset, shape.tag, shape.has_children, attributes, at)

    def children_of(self, die: Die) -> Iterator[Die]:
        """The entries directly below *die*."""
        at = die.after
        while die.has_children and at < self.header.end and self.data[at]:
            child = self.die(at)
            yield child
            at = self.behind(child)

    def behind(self, die: Die) -> int:
        """Where the entry after *die* and all below it begins."""
        if not die.has_children:
            return die.after
        sibling = die.get(At.SIBLING)
        if isinstance(sibling, int) and die.after < sibling <= self.header.end:
            return sibling
        return self._entries(die.after, frozenset())[1]

    def holding(self, at: int, attributes: frozenset[int], tags: frozenset[int]) -> Iterator[Die]:
        """The entries of *tags* that may have the value of one of *attributes* at *at* of the section.

        They are looked for backwards from there, so that nothing else of the unit is read.
        More than one may come, of which the first is most likely; who asks checks.
        """
        for start in range(at - 1, max(self.header.first, at - _MOST_BEFORE) - 1, -1):
            try:
                code, place = uleb(self.data, start)
                shape = self._table[code]
                if shape.tag not in tags:
                    continue
                if at in self._places(shape, place, attributes, at):
                    yield self._read(start)
            except DAMAGED:
                continue

    def _places(self, shape: Shape, place: int, attributes: frozenset[int], at: int) -> list[int]:
        """Where the values of *attributes* are of an entry whose first value is at *place*, up to *at*."""
        found = []
        for name, form, _ in shape.specs:
            if name in attributes:
                found.append(place)
            if place > at:
                break
            place = self._skip_one(form, place)
        return found

    def forms(self, attributes: frozenset[int], tags: frozenset[int]) -> set[int]:
        """How entries of *tags* write *attributes* here."""
        return self._table.forms(attributes, tags)

    def scan(self) -> list[Entry]:
        """All functions, scopes, types, variables and calls of the unit, in its order."""
        return self._scanned

    @cached_property
    def offsets(self) -> frozenset[int]:
        """Where the entries of :meth:`scan` are."""
        return frozenset(entry.offset for entry in self._scanned)

    @cached_property
    def _scanned(self) -> list[Entry]:
        return self._entries(self.header.first, _SCANNED)[0]

    def _entries(self, at: int, tags: frozenset[int]) -> tuple[list[Entry], int]:
        """The entries of *tags* from *at* up to the zero that ends the list, and where that is behind."""
        found: list[Entry] = []
        data, table, end = self.data, self._table.passed, self.header.end
        sizes = self.offset_size, self.address_size
        around: list[int] = []
        parent = number = -1
        while at < end:
            start, code = at, data[at]
            at += 1
            if code >= 0x80:
                code, at = uleb(data, start)
            if not code:
                if not around:
                    break
                parent = around.pop()
                continue
            shape = table[code]
            for step in shape.skips:
                at = at + step if step >= 0 else skip_form(data, at, -step, *sizes)
            if shape.tag in tags:
                number += 1
                found.append(Entry(start, shape.tag, parent))
            if shape.has_children:
                around.append(parent)
                parent = number if shape.tag in tags else parent
                if len(around) > _MOST_DEEP:
                    raise ValueError("entries within each other without end")
        return found, at
