"""Unwind information by hand: the entries of an .eh_frame, and an ELF file around them."""

from __future__ import annotations

import struct
from pathlib import Path

from uprobe_core.image.elf import ElfFile

__all__ = ("BASE", "cie", "fde", "image_with")

BASE = 0x10_0000
"""Where the section lies."""
_NAMES = b"\0.eh_frame\0.shstrtab\0.debug_frame\0"


def _entry(body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)  # DW_CFA_nop
    return struct.pack("<I", len(body)) + body


def cie(
    *,
    register: int = 30,
    data_factor: bytes = b"\x78",
    encoding: int = 0,
    version: int = 1,
    instructions: bytes = b"\x0c\x1f\x00",
    augmentation: bytes = b"zR",
) -> bytes:
    """The common part of all entries: CFA = SP, unless *instructions* say otherwise."""
    body = struct.pack("<IB", 0, version) + augmentation + b"\0\x04" + data_factor + bytes([register])
    return _entry(body + b"\x01" + bytes([encoding]) + instructions)


def fde(start: int, size: int, instructions: bytes) -> bytes:
    """An entry for [start, start + size); its common part is the first of the section."""
    return _entry(b"CIE?" + struct.pack("<QQ", start, size) + b"\0" + instructions)


def image_with(folder: Path, *entries: bytes, name: str = ".eh_frame") -> ElfFile:
    """An ELF file whose section *name* has these entries."""
    data = bytearray()
    for entry in entries:
        at = len(data) + 4
        data += entry[:4] + struct.pack("<I", at) + entry[8:] if entry[4:8] == b"CIE?" else entry
    names = 64 + len(data)
    headers = names + len(_NAMES)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 3, 183, 1, 0, 0, headers, 0, 64, 56, 0, 64, 3, 2)
    kinds = [
        (0, 0, 0, 0, 0, 0),
        (_NAMES.index(name.encode()), 1, 2, BASE, 64, len(data)),
        (_NAMES.index(b".shstrtab"), 3, 0, 0, names, len(_NAMES)),
    ]
    table = b"".join(struct.pack("<IIQQQQIIQQ", *kind, 0, 0, 1, 0) for kind in kinds)
    path = folder / "frames.so"
    path.write_bytes(head + bytes(data) + _NAMES + table)
    return ElfFile(path)
