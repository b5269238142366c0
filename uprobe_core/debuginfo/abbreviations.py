"""Abbreviations: what attributes an entry has, and in which form (DWARF 5, section 7.5.3)."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from uprobe_core.debuginfo.encoding import sleb, uleb

__all__ = ("IMPLICIT", "Abbreviations", "form_size", "skip_form")

IMPLICIT = 0x21
"""DW_FORM_implicit_const: the value is in the abbreviation."""
_INDIRECT = 0x16
_FIXED = {
    **dict.fromkeys((0x0B, 0x0C, 0x11, 0x25, 0x29), 1),  # data1 flag ref1 strx1 addrx1
    **dict.fromkeys((0x05, 0x12, 0x26, 0x2A), 2),  # data2 ref2 strx2 addrx2
    **dict.fromkeys((0x27, 0x2B), 3),  # strx3 addrx3
    **dict.fromkeys((0x06, 0x13, 0x28, 0x2C, 0x1C), 4),  # data4 ref4 strx4 addrx4 ref_sup4
    **dict.fromkeys((0x07, 0x14, 0x20, 0x24), 8),  # data8 ref8 ref_sig8 ref_sup8
    0x1E: 16,  # data16
    0x19: 0,  # flag_present
    IMPLICIT: 0,
}
_OFFSETS = frozenset({0x0E, 0x17, 0x1D, 0x1F, 0x10, 0x1F20, 0x1F21})
"""strp, sec_offset, strp_sup, line_strp, ref_addr, GNU_ref_alt, GNU_strp_alt."""
_LEB = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02})
"""sdata, udata, ref_udata, strx, addrx, loclistx, rnglistx, GNU_addr_index, GNU_str_index."""
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4}
_LEB_BLOCKS = frozenset({0x09, 0x18})
_MOST = 1 << 16


class Shape(NamedTuple):
    """The shape of entries.

    :param specs: (attribute, form, constant) of each attribute
    """

    tag: int
    has_children: bool
    specs: tuple[tuple[int, int, int], ...]


class Passed(NamedTuple):
    """What is to be known of entries that are passed over.

    :param skips: the sizes of all attributes: runs of bytes, and negative forms of variable length
    """

    tag: int
    has_children: bool
    skips: tuple[int, ...]


class Abbreviations:
    """A table by code, read as far as it is asked for; raises KeyError, IndexError or ValueError."""

    def __init__(self, data: bytes, at: int, offset_size: int, address_size: int) -> None:
        self._data, self._at = data, at
        self._sizes = offset_size, address_size
        self._known: dict[int, Shape] = {}
        self._ended = False

    def __getitem__(self, code: int) -> Shape:
        while code not in self._known and not self._ended:
            self._next()
        return self._known[code]

    def _next(self) -> None:
        code, at = uleb(self._data, self._at)
        if code == 0:
            self._ended = True
            return
        tag, at = uleb(self._data, at)
        specs, self._at = _specs(self._data, at + 1)
        self._known.setdefault(code, Shape(tag, bool(self._data[at]), specs))
        if len(self._known) > _MOST:
            raise ValueError("too many abbreviations")

    def forms(self, attributes: frozenset[int], tags: frozenset[int]) -> set[int]:
        """How entries of *tags* write *attributes*."""
        shapes = [self._known[code] for code in self.passed if self._known[code].tag in tags]
        return {form for shape in shapes for name, form, _ in shape.specs if name in attributes}

    @cached_property
    def passed(self) -> dict[int, Passed]:
        """All of them, for passing over entries."""
        while not self._ended:
            self._next()
        return {
            code: Passed(shape.tag, shape.has_children, _skips(shape.specs, *self._sizes))
            for code, shape in self._known.items()
        }


def _specs(data: bytes, at: int) -> tuple[tuple[tuple[int, int, int], ...], int]:
    found: list[tuple[int, int, int]] = []
    while True:
        attribute, at = uleb(data, at)
        form, at = uleb(data, at)
        constant = 0
        if form == IMPLICIT:
            constant, at = sleb(data, at)
        if attribute == 0 and form == 0:
            return tuple(found), at
        found.append((attribute, form, constant))


def form_size(form: int, offset_size: int, address_size: int) -> int | None:
    """Bytes of a value in *form*, None if that varies."""
    if form in _OFFSETS:
        return offset_size
    return address_size if form == 0x01 else _FIXED.get(form)


def _skips(specs: tuple[tuple[int, int, int], ...], offset_size: int, address_size: int) -> tuple[int, ...]:
    steps: list[int] = []
    for _, form, _ in specs:
        size = form_size(form, offset_size, address_size)
        if size is None:
            steps.append(-form)
        elif steps and steps[-1] >= 0:
            steps[-1] += size
        elif size:
            steps.append(size)
    return tuple(steps)


def skip_form(data: bytes, at: int, form: int, offset_size: int, address_size: int) -> int:
    """Where a value of variable length ends that begins at *at*; raises ValueError for an unknown form."""
    if form in _LEB:
        while data[at] & 0x80:
            at += 1
        return at + 1
    if form == 0x08:
        return data.index(0, at) + 1
    if form in _LEB_BLOCKS:
        size, at = uleb(data, at)
        return at + size
    if form in _BLOCKS:
        width = _BLOCKS[form]
        return at + width + int.from_bytes(data[at : at + width], "little")
    if form == _INDIRECT:
        real, at = uleb(data, at)
        size_of = form_size(real, offset_size, address_size)
        if real == _INDIRECT:
            raise ValueError("an indirect form of an indirect form")
        return skip_form(data, at, real, offset_size, address_size) if size_of is None else at + size_of
    raise ValueError(f"form {form:#x}")
