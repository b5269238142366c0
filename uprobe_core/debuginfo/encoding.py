"""Numbers as DWARF writes them, and what reading damaged debug information raises."""

from __future__ import annotations

import struct
from typing import Final

from uprobe_core.errors import TargetError

__all__ = ("DAMAGED", "cstring", "damage", "sleb", "uleb", "unsigned")

DAMAGED: Final = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    OverflowError,
    RecursionError,
    TargetError,
)
"""What reading a section that is not as it should be raises."""
_LONGEST = 10
"""Bytes of the longest LEB128 number that 64 bits need."""


def damage(path: str, error: Exception) -> TargetError:
    """What to say of *error*, one of DAMAGED, from reading the debug information of *path*."""
    if isinstance(error, TargetError):
        return error
    detail = str(error)
    if isinstance(error, KeyError):
        detail = f"unknown number {error}"
    elif isinstance(error, IndexError):
        detail = "it ends too early"
    return TargetError(
        f"the debug information of {path} is damaged: {detail}",
        hint="symbols, offsets and registers work without it",
        slug="bad-debug-info",
    )


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends; raises IndexError or ValueError."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift, start = byte & 0x7F, 7, at
    while byte & 0x80:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if at - start > _LONGEST:
            raise ValueError("a number of more than 64 bits")
    return value, at + 1


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """A signed LEB128 number, and where it ends; raises IndexError or ValueError."""
    start = at
    value, at = uleb(data, at)
    if data[at - 1] & 0x40:
        value -= 1 << 7 * (at - start)
    return value, at


def unsigned(data: bytes, at: int, size: int) -> int:
    """*size* bytes at *at* as a number, little endian; raises IndexError beyond the end."""
    if at < 0 or at + size > len(data):
        raise IndexError("beyond the end")
    return int.from_bytes(data[at : at + size], "little")


def cstring(data: bytes, at: int) -> str:
    """The text at *at*, up to a zero; raises ValueError or IndexError."""
    if not 0 <= at < len(data):
        raise IndexError("beyond the end")
    return data[at : data.index(0, at)].decode("utf-8", "surrogateescape")
