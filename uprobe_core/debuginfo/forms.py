"""The values of attributes in their forms (DWARF 5, section 7.5.5, and GNU's for shared files)."""

from __future__ import annotations

from typing import Any, Protocol

from uprobe_core.debuginfo.abbreviations import IMPLICIT
from uprobe_core.debuginfo.encoding import cstring, sleb, uleb, unsigned
from uprobe_core.debuginfo.sections import Sections

__all__ = (
    "BLOCKS",
    "CONSTANTS",
    "LOCLISTX",
    "OFFSET",
    "OTHER_FILE",
    "REFERENCES",
    "RNGLISTX",
    "SHORT_REFERENCES",
    "SIGNATURE",
    "read_form",
)

_NUMBERS = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}
_LOCAL_REFS = {0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8}
_STRX = {0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
_ADDRX = {0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4}
_SIZED_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4}
OFFSET, LOCLISTX, RNGLISTX = 0x17, 0x22, 0x23
_REF_ADDR, SIGNATURE = 0x10, 0x20
"""SIGNATURE: a type in a unit of its own, by the number that the unit has."""
OTHER_FILE = frozenset({0x1F20, 0x1C, 0x24})
"""References into the file that several share entries with (dwz)."""
SHORT_REFERENCES = frozenset({0x11, 0x12, 0x15})
"""Within a unit, in fewer than four bytes (ref1, ref2), or in as many as are needed (ref_udata)."""
REFERENCES = frozenset({*_LOCAL_REFS, 0x15, _REF_ADDR}) | OTHER_FILE
CONSTANTS = frozenset({*_NUMBERS, 0x0D, 0x0F, IMPLICIT})
BLOCKS = frozenset({*_SIZED_BLOCKS, 0x09, 0x18})
_INDIRECT = 0x16


class Holder(Protocol):
    """What a value may need of the unit that it is in.

    :ivar start: the unit's offset, which its own references count from
    :ivar shared_texts: those of the file that several share entries with, b"" without one
    """

    data: bytes
    start: int
    offset_size: int
    address_size: int
    sections: Sections

    @property
    def shared_texts(self) -> bytes:
        """See above."""
        ...

    @property
    def str_offsets_base(self) -> int:
        """Where its part of .debug_str_offsets begins."""
        ...

    @property
    def addr_base(self) -> int:
        """Where its part of .debug_addr begins."""
        ...


def read_form(unit: Holder, form: int, at: int, constant: int = 0) -> tuple[Any, int, int]:
    """The value at *at* in *form*, the form it really has, and where it ends.

    Raises ValueError or IndexError.  References are offsets in the section;
    indices of lists stay indices.
    """
    data = unit.data
    size = _NUMBERS.get(form)
    if size is not None:
        return unsigned(data, at, size), form, at + size
    if form == IMPLICIT:
        return constant, form, at
    if form == 0x19:
        return True, form, at
    if form == 0x0C:
        return bool(data[at]), form, at + 1
    if form == 0x0D:
        value, at = sleb(data, at)
        return value, form, at
    if form == _INDIRECT:
        real, at = uleb(data, at)
        if real in (_INDIRECT, IMPLICIT):
            raise ValueError(f"an indirect form {real:#x}")
        return read_form(unit, real, at)
    for read in (_reference, _string, _address, _block):
        found = read(unit, form, at)
        if found is not None:
            return found[0], form, found[1]
    raise ValueError(f"form {form:#x}")


def _reference(unit: Holder, form: int, at: int) -> tuple[Any, int] | None:
    size = _LOCAL_REFS.get(form)
    if size is not None:
        return unit.start + unsigned(unit.data, at, size), at + size
    if form in (_REF_ADDR, OFFSET, 0x1F20):
        return unsigned(unit.data, at, unit.offset_size), at + unit.offset_size
    if form == 0x15:
        value, at = uleb(unit.data, at)
        return unit.start + value, at
    if form in (SIGNATURE, 0x24):
        return unsigned(unit.data, at, 8), at + 8
    if form == 0x1C:
        return unsigned(unit.data, at, 4), at + 4
    return uleb(unit.data, at) if form in (0x0F, LOCLISTX, RNGLISTX) else None


def _string(unit: Holder, form: int, at: int) -> tuple[Any, int] | None:
    width, sections = unit.offset_size, unit.sections
    if form == 0x08:
        end = unit.data.index(0, at)
        return unit.data[at:end].decode("utf-8", "surrogateescape"), end + 1
    if form in (0x0E, 0x1F):
        return cstring(
            sections.str if form == 0x0E else sections.line_str, unsigned(unit.data, at, width)
        ), at + width
    if form in (0x1D, 0x1F21):
        theirs = unit.shared_texts
        text = cstring(theirs, unsigned(unit.data, at, width)) if theirs else ""
        return text, at + width
    if form in (0x1A, 0x1F02):
        index, at = uleb(unit.data, at)
    elif form in _STRX:
        index, at = unsigned(unit.data, at, _STRX[form]), at + _STRX[form]
    else:
        return None
    place = unsigned(sections.str_offsets, unit.str_offsets_base + index * width, width)
    return cstring(sections.str, place), at


def _address(unit: Holder, form: int, at: int) -> tuple[Any, int] | None:
    width = unit.address_size
    if form == 0x01:
        return unsigned(unit.data, at, width), at + width
    if form in (0x1B, 0x1F01):
        index, at = uleb(unit.data, at)
    elif form in _ADDRX:
        index, at = unsigned(unit.data, at, _ADDRX[form]), at + _ADDRX[form]
    else:
        return None
    return unsigned(unit.sections.addr, unit.addr_base + index * width, width), at


def _block(unit: Holder, form: int, at: int) -> tuple[Any, int] | None:
    if form in (0x09, 0x18):
        size, at = uleb(unit.data, at)
    elif form in _SIZED_BLOCKS:
        width = _SIZED_BLOCKS[form]
        size, at = unsigned(unit.data, at, width), at + width
    else:
        return None
    if at + size > len(unit.data):
        raise IndexError("beyond the end")
    return bytes(unit.data[at : at + size]), at + size
