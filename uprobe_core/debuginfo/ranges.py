"""Stretches of code, and what is where in which: range and location lists (DWARF 5, 2.17.3 and 2.6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import uleb, unsigned
from uprobe_core.debuginfo.forms import BLOCKS, CONSTANTS, LOCLISTX, RNGLISTX
from uprobe_core.debuginfo.unit import Die, Unit

__all__ = ("ALWAYS", "Located", "locations_of", "ranges_of")

Range = tuple[int, int]
Located = tuple[int, int, bytes]
"""[start, end) and the expression that holds there."""
ALWAYS = (0, 1 << 64)
_MOST = 1 << 16


def ranges_of(die: Die) -> list[Range]:
    """The stretches [start, end) of code of a function, block or unit, as written; [] if it has none."""
    low, unit = die.get(At.LOW_PC), die.unit
    form, listed = die.form(At.RANGES), die.get(At.RANGES)
    if listed is not None:
        if unit.version < 5:
            at = listed + unit.ranges_at
            ranges = _old_entries(unit, unit.sections.ranges, at, with_code=False)
            return [(start, end) for start, end, _ in ranges]
        bases = unit.ranges_at, unit.rnglists_base
        at = _listed(unit, unit.sections.rnglists, bases, form, listed, RNGLISTX)
        return [(start, end) for start, end, _ in _entries(unit, unit.sections.rnglists, at, _NO_CODE)]
    high = die.get(At.HIGH_PC)
    if low is None or high is None:
        return []
    end = low + high if die.form(At.HIGH_PC) in CONSTANTS else high
    return [(low, end)] if end > low else []


def locations_of(die: Die, attribute: At = At.LOCATION) -> list[Located]:
    """Where the object of *die* is, by the code it is there in; [] if nowhere is said."""
    form, value, unit = die.form(attribute), die.get(attribute), die.unit
    if value is None:
        return []
    if form in BLOCKS:
        return [(*ALWAYS, value)] if value else []
    if unit.version < 5:
        at = int(value) + unit.lists_at
        listed = _split_entries if unit.is_split else partial(_old_entries, with_code=True)
        return list(listed(unit, unit.sections.loc, at))
    sections, bases = unit.sections, (unit.lists_at, unit.loclists_base)
    at = _listed(unit, sections.loclists, bases, form, value, LOCLISTX)
    return list(_entries(unit, sections.loclists, at, _CODE))


def _listed(unit: Unit, data: bytes, bases: tuple[int, int], form: int, value: int, indexed: int) -> int:
    """Where a list begins: at an offset from the first of *bases*, or at what a table at the other has."""
    start, base = bases
    if form != indexed:
        return start + value
    return base + unsigned(data, base + value * unit.offset_size, unit.offset_size)


def _old_entries(unit: Unit, data: bytes, at: int, *, with_code: bool) -> Iterator[Located]:
    """The entries of a list before DWARF 5, from *at* on; those of ranges have no code."""
    width, base = unit.address_size, unit.low_pc
    for _ in range(_MOST):
        start, end = unsigned(data, at, width), unsigned(data, at + width, width)
        at += 2 * width
        if not start and not end:
            return
        if start == (1 << 8 * width) - 1:
            base = end
            continue
        size = unsigned(data, at, 2) if with_code else 0
        at += 2 * with_code
        if end > start:
            yield base + start, base + end, bytes(data[at : at + size])
        at += size


def _split_entries(unit: Unit, data: bytes, at: int) -> Iterator[Located]:
    """The entries of a list before DWARF 5 in a .dwo file (GNU's DW_LLE_GNU_*)."""
    for _ in range(_MOST):
        kind, at = data[at], at + 1
        if kind == 0x00:
            return
        if kind not in (0x02, 0x03):
            raise ValueError(f"an entry {kind:#x} of a location list")
        first, at = uleb(data, at)
        start = _address(unit, first)
        if kind == 0x02:
            last, at = uleb(data, at)
            end = _address(unit, last)
        else:
            end, at = start + unsigned(data, at, 4), at + 4
        size, at = unsigned(data, at, 2), at + 2
        if end > start:
            yield start, end, bytes(data[at : at + size])
        at += size


_NO_CODE = {0x00: 0, 0x01: 1, 0x02: 2, 0x03: 3, 0x04: 4, 0x05: 6, 0x06: 7, 0x07: 8}
_CODE = {0x00: 0, 0x01: 1, 0x02: 2, 0x03: 3, 0x04: 4, 0x05: 5, 0x06: 6, 0x07: 7, 0x08: 8}
_END, _BASEX, _STARTX_ENDX, _STARTX_LENGTH, _PAIR, _DEFAULT, _BASE, _START_END, _START_LENGTH = range(9)
"""What an entry is (DW_LLE_*; DW_RLE_* has no default and so other numbers from there on)."""
_HAS_CODE = frozenset({_STARTX_ENDX, _STARTX_LENGTH, _PAIR, _DEFAULT, _START_END, _START_LENGTH})


def _entries(unit: Unit, data: bytes, at: int, kinds: dict[int, int]) -> Iterator[Located]:
    """The entries of a list of DWARF 5, from *at* on."""
    base, width = unit.low_pc, unit.address_size
    for _ in range(_MOST):
        kind = kinds[data[at]]
        at += 1
        start = end = 0
        if kind == _END:
            return
        if kind == _BASEX:
            index, at = uleb(data, at)
            base = _address(unit, index)
        elif kind == _BASE:
            base, at = unsigned(data, at, width), at + width
        elif kind == _DEFAULT:
            start, end = ALWAYS
        else:
            start, end, at = _bounds(unit, data, at, kind, base)
        code = b""
        if kind in _HAS_CODE and kinds is _CODE:
            size, at = uleb(data, at)
            code, at = bytes(data[at : at + size]), at + size
        if end > start:
            yield start, end, code


def _bounds(unit: Unit, data: bytes, at: int, kind: int, base: int) -> tuple[int, int, int]:
    """[start, end) of an entry, and where its bounds end."""
    width = unit.address_size
    if kind in (_START_END, _START_LENGTH):
        start, at = unsigned(data, at, width), at + width
        if kind == _START_END:
            return start, unsigned(data, at, width), at + width
    else:
        start, at = uleb(data, at)
    end, at = uleb(data, at)
    if kind == _PAIR:
        return base + start, base + end, at
    if kind == _STARTX_ENDX:
        return _address(unit, start), _address(unit, end), at
    first = start if kind == _START_LENGTH else _address(unit, start)
    return first, first + end, at


def _address(unit: Unit, index: int) -> int:
    width = unit.address_size
    return unsigned(unit.sections.addr, unit.addr_base + index * width, width)
