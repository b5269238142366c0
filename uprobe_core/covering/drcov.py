"""DynamoRIO's drcov format, version 2, which Lighthouse, Lightkeeper, Cartographer and others read.

A table of modules as text, then basic blocks of eight bytes each (clients/drcov/drcov.h of DynamoRIO).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from uprobe_core.executed_code import CodeFile

__all__ = ("drcov_bytes",)

_BLOCK = struct.Struct("<IHH")
"""Start from the module's base, size in bytes, number of the module."""
_MOST = 0xFFFC


def drcov_bytes(files: Sequence[CodeFile]) -> bytes:
    """The file; a module's base is the lowest address that it was linked for."""
    blocks = b"".join(
        _BLOCK.pack(at - file.base, size, number)
        for number, file in enumerate(files)
        for start, whole in file.blocks
        for at, size in _parts(start, whole)
    )
    head = ["DRCOV VERSION: 2", "DRCOV FLAVOR: drcov", f"Module Table: version 2, count {len(files)}"]
    head.append("Columns: id, base, end, entry, path")
    for number, file in enumerate(files):
        place = f"{file.base:#018x}, {max(file.end, file.base):#018x}, {0:#018x}"
        head.append(f"{number:3}, {place}, {file.path}")
    head.append(f"BB Table: {len(blocks) // _BLOCK.size} bbs\n")
    return "\n".join(head).encode("utf-8", "surrogateescape") + blocks


def _parts(start: int, size: int) -> list[tuple[int, int]]:
    """A block whose size does not fit as several."""
    return [(start + at, min(size - at, _MOST)) for at in range(0, size, _MOST)]
