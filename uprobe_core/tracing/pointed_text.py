"""Memory of a program as strace writes it: strings in C's escapes, addresses where it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("LONGEST", "address_text", "buffer", "data_text", "items", "listed", "number", "string", "strings")

LONGEST = 32
"""Bytes of a string and elements of a list that are shown: strace's default for ``-s``."""
_WORD = 8
_PAGE = 4096
_OCTAL = b"01234567"
_SHORT = {ord(key): word for key, word in zip('"\\\t\n\v\f\r', '"\\tnvfr', strict=True)}


def address_text(address: int) -> str:
    """What stands for memory that is not there, or not looked at."""
    return f"{address:#x}" if address else "NULL"


def data_text(data: bytes) -> str:
    """*data* in quotation marks; what is not ASCII is octal, in three digits if one follows."""
    return '"' + "".join(_byte(data, at) for at in range(len(data))) + '"'


def _byte(data: bytes, at: int) -> str:
    byte = data[at]
    if byte in _SHORT:
        return f"\\{_SHORT[byte]}"
    if 0x20 <= byte < 0x7F:
        return chr(byte)
    follows = data[at + 1 : at + 2]
    return f"\\{byte:03o}" if follows and follows in _OCTAL else f"\\{byte:o}"


def number(memory: GuestMemory, address: int, size: int) -> int:
    """An unsigned number; raises MemoryFault."""
    return int.from_bytes(memory.read(address, size), "little")


def buffer(memory: GuestMemory, address: int, size: int) -> str:
    """*size* bytes, of which the first are shown; an address if they cannot be read."""
    if not address:
        return "NULL"
    try:
        data = memory.read(address, min(size, LONGEST + 1)) if size > 0 else b""
    except MemoryFault:
        return address_text(address)
    return data_text(data[:LONGEST]) + "..." * (size > LONGEST)


def string(memory: GuestMemory, address: int) -> str:
    """The same of what ends with a zero."""
    if not address:
        return "NULL"
    data = b""
    try:
        while len(data) <= LONGEST and b"\0" not in data:
            here = address + len(data)
            data += memory.read(here, min(LONGEST + 1 - len(data), _PAGE - here % _PAGE))
    except MemoryFault:
        return address_text(address)
    text, end, _ = data.partition(b"\0")
    return data_text(text[:LONGEST]) + ("" if end else "...")


def strings(memory: GuestMemory, address: int) -> str:
    """A list of strings that ends with NULL; raises MemoryFault if there is none."""
    found: list[str] = []
    while pointer := _next(memory, address, len(found)):
        found.append("..." if len(found) == LONGEST else string(memory, pointer))
        if len(found) > LONGEST:
            break
    return f"[{', '.join(found)}]"


def _next(memory: GuestMemory, address: int, index: int) -> int:
    return number(memory, address + index * _WORD, _WORD)


def items(count: int, each: Callable[[int], str]) -> str:
    """A list of *count* elements, of which the first are shown; it ends where memory does."""
    found: list[str] = []
    for index in range(min(count, LONGEST)):
        try:
            found.append(each(index))
        except MemoryFault:
            if not index:
                raise
            return listed([*found, "..."])
    return listed([*found, *(["..."] if count > LONGEST else [])])


def listed(texts: Sequence[str]) -> str:
    """A list of what has been made text already."""
    return f"[{', '.join(texts)}]"
