"""The header of a unit of debug information (DWARF 5, section 7.5.1)."""

from __future__ import annotations

from typing import NamedTuple

from uprobe_core.debuginfo.encoding import unsigned

__all__ = ("UnitHeader", "parse_header")

_TYPE_UNITS, _SPLIT_UNITS = (0x02, 0x06), (0x04, 0x05)


class UnitHeader(NamedTuple):
    """Where a unit lies in its section, and how wide its numbers are.

    :param first: offset of its first entry
    :param end: exclusive
    :param signature: by which the type of a type unit is referred to, its entry is at *type_at*; of a unit
        that is split over two files, what both have; 0 in others
    """

    offset: int
    first: int
    end: int
    version: int
    offset_size: int
    address_size: int
    abbreviations: int
    kind: int
    signature: int = 0
    type_at: int = 0


def parse_header(data: bytes, at: int, *, of_types: bool = False) -> UnitHeader:
    """The header at *at*; raises IndexError or ValueError.

    :param of_types: whether *data* is .debug_types of DWARF 4, whose units have no kind
    """
    start, offset_size = at, 4
    length = unsigned(data, at, 4)
    at += 4
    if length == 0xFFFF_FFFF:
        length, offset_size = unsigned(data, at, 8), 8
        at += 8
    end = at + length
    if end > len(data):
        raise ValueError(f"a unit of {length} bytes at {start:#x} ends after its section")
    version, kind = unsigned(data, at, 2), 0x01
    at += 2
    if version == 5:
        kind, address_size = data[at], data[at + 1]
        table = unsigned(data, at + 2, offset_size)
        at += 2 + offset_size
    elif 2 <= version <= 4:
        table, address_size = unsigned(data, at, offset_size), data[at + offset_size]
        at += offset_size + 1
        kind = 0x02 if of_types else kind
    else:
        raise ValueError(f"DWARF version {version}")
    if address_size not in (4, 8):
        raise ValueError(f"addresses of {address_size} bytes")
    signature = type_at = 0
    if kind in _SPLIT_UNITS:
        signature, at = unsigned(data, at, 8), at + 8
    if kind in _TYPE_UNITS:
        signature, type_at = unsigned(data, at, 8), start + unsigned(data, at + 8, offset_size)
        at += 8 + offset_size
    return UnitHeader(start, at, end, version, offset_size, address_size, table, kind, signature, type_at)
