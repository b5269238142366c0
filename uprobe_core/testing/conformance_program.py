"""The program that the conformance harness opens: an ELF file of four segments, never run as such."""

from __future__ import annotations

import struct
from typing import Final

from uprobe_core.testing.conformance_state import Layout

__all__ = ("LAYOUT", "PAGE", "PRISTINE", "TEXT_OFFSET", "build")

PAGE: Final = 4096
_TEXT: Final = 0x40_0000
_DATA: Final = 0x50_0000

LAYOUT: Final = Layout(
    text=(_TEXT, _TEXT + 3 * PAGE),
    cases=(_TEXT + PAGE, _TEXT + 2 * PAGE),
    writable=(_DATA, _DATA + 2 * PAGE),
    readable=(_DATA + 2 * PAGE, _DATA + 3 * PAGE),
)
"""Three pages of text, the middle one for words under test; two writable pages and a read-only one."""

TEXT_OFFSET: Final = PAGE
"""Where the text lies in the file."""

_PT_LOAD = 1
_READ, _WRITE, _EXECUTE = 4, 2, 1


def _pattern(size: int) -> bytes:
    """Bytes that differ from their neighbours near and far, with some zero words among them."""
    words = ((n * 0x9E37_79B9_7F4A_7C15 & (1 << 64) - 1) if n % 7 else 0 for n in range(size // 8))
    return b"".join(word.to_bytes(8, "little") for word in words)


PRISTINE: Final = _pattern(LAYOUT.data[1] - LAYOUT.data[0])
"""What the data looks like before each case."""


def build(stop: int, machine: int) -> bytes:
    """The ELF file for *machine* (e_machine); its text is filled with the instruction *stop*."""
    text = stop.to_bytes(4, "little") * ((LAYOUT.text[1] - LAYOUT.text[0]) // 4)
    written = LAYOUT.writable[1] - LAYOUT.writable[0]
    segments = (
        (_READ | _EXECUTE, LAYOUT.text[0], text),
        (_READ | _WRITE, LAYOUT.writable[0], PRISTINE[:written]),
        (_READ, LAYOUT.readable[0], PRISTINE[written:]),
    )
    headers, body, offset = b"", b"", PAGE
    for flags, address, data in segments:
        headers += struct.pack(
            "<IIQQQQQQ", _PT_LOAD, flags, offset, address, address, len(data), len(data), PAGE
        )
        body += data
        offset += len(data)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, LAYOUT.text[0], 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    return (header + headers).ljust(PAGE, b"\0") + body
