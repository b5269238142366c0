"""A cursor over the bytes of an unwind section: numbers as DWARF and the .eh_frame format write them."""

from __future__ import annotations

import struct

__all__ = ("OMIT", "Reader")

OMIT = 0xFF
_ULEB, _SLEB = 0x01, 0x09
_CODES = {0: "Q", 2: "H", 3: "I", 4: "Q", 10: "h", 11: "i", 12: "q"}
_FORMS = {code: struct.Struct(f"<{code}") for code in "bBhHiIqQ"}
_PC_RELATIVE, _DATA_RELATIVE = 0x10, 0x30
_MASK = (1 << 64) - 1
_LONGEST = 10
"""Bytes of the longest LEB128 number that 64 bits need."""


class Reader:
    """Reads from *at* on; raises ValueError, IndexError or struct.error beyond *end*.

    :param vaddr: the address of ``data[0]``, for pointers that are relative to themselves
    :param end: exclusive
    """

    __slots__ = ("at", "data", "end", "vaddr")

    def __init__(self, data: bytes, vaddr: int = 0, at: int = 0, end: int | None = None) -> None:
        self.data, self.vaddr, self.at = data, vaddr, at
        self.end = len(data) if end is None else min(end, len(data))

    def take(self, code: str) -> int:
        """A number of the struct module's format *code*, little endian."""
        form = _FORMS[code]
        if not 0 <= self.at <= self.end - form.size:
            raise IndexError("outside")
        value: int = form.unpack_from(self.data, self.at)[0]
        self.at += form.size
        return value

    def byte(self) -> int:
        """The next byte."""
        at = self.at
        if not 0 <= at < self.end:
            raise IndexError("outside")
        self.at = at + 1
        return self.data[at]

    def skip(self, size: int) -> bytes:
        """The next *size* bytes."""
        if not 0 <= size <= self.end - self.at:
            raise ValueError(f"{size} bytes, of which there are {self.end - self.at}")
        self.at += size
        return self.data[self.at - size : self.at]

    def uleb(self) -> int:
        """An unsigned LEB128 number."""
        value = 0
        for place in range(_LONGEST):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * place
            if not byte & 0x80:
                return value & _MASK
        raise ValueError("a number of more than 64 bits")

    def sleb(self) -> int:
        """A signed LEB128 number."""
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if self.data[self.at - 1] & 0x40 else value

    def text(self) -> bytes:
        """Bytes up to a zero, which is passed over."""
        stop = self.data.index(0, self.at, self.end)
        found = self.data[self.at : stop]
        self.at = stop + 1
        return found

    def pointer(self, encoding: int, data_base: int = 0) -> int:
        """An encoded pointer (DW_EH_PE_*); of an indirect one the address where it lies.

        Raises ValueError for an encoding that is none.
        """
        here, form = self.vaddr + self.at, encoding & 0x0F
        if form not in (_ULEB, _SLEB) and form not in _CODES:
            raise ValueError(f"pointer encoding {encoding:#x}")
        value = self.uleb() if form == _ULEB else self.sleb() if form == _SLEB else self.take(_CODES[form])
        base = encoding & 0x70
        if base == _PC_RELATIVE:
            value += here
        elif base == _DATA_RELATIVE:
            value += data_base
        elif base:
            raise ValueError(f"pointer encoding {encoding:#x}")
        return value & _MASK
