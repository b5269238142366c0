"""Semaphores: 16 bits in the program's data that are above zero while a place is probed.

The kernel's update_ref_ctr and its delayed list: a semaphore whose mapping has
not come yet is raised when it does.
"""

from __future__ import annotations

import struct

from uprobe_core.errors import ProbeError
from uprobe_core.probes.sites import Uprobe
from uprobe_core.probes.spaces import Space
from uprobe_core.types import FileId, Mapping, MemoryFault

__all__ = ("check_semaphore", "lower_semaphore", "raise_semaphore", "raise_waiting")


def check_semaphore(ref_offset: int, path: str) -> None:
    """Raise ProbeError if no semaphore can be at *ref_offset* of the file *path* (uprobe_register)."""
    if ref_offset % 2:
        raise ProbeError(
            f"the reference counter {path}:{ref_offset:#x} is at an odd offset",
            address=ref_offset,
            where=path,
            hint="a semaphore is an aligned unsigned short in the program's data",
        )


def raise_semaphore(space: Space, uprobe: Uprobe) -> None:
    """Raise the semaphore of *uprobe*, if it has one: now, or when its mapping comes."""
    if not uprobe.ref_offset:
        return
    key = (uprobe.file, uprobe.ref_offset)
    address = _address(space, key)
    if address is None:
        space.waiting[key] = space.waiting.get(key, 0) + 1
    elif _add(space, address, 1):
        space.raised[key] = space.raised.get(key, 0) + 1


def lower_semaphore(space: Space, uprobe: Uprobe) -> None:
    """Take back what :func:`raise_semaphore` did for *uprobe*."""
    if not uprobe.ref_offset:
        return
    key = (uprobe.file, uprobe.ref_offset)
    if space.waiting.get(key):
        space.waiting[key] -= 1
        return
    address = _address(space, key)
    if address is not None and space.raised.get(key):
        space.raised[key] -= 1
        _add(space, address, -1)


def raise_waiting(space: Space, mapping: Mapping) -> None:
    """*mapping* has come: raise the semaphores in it that were waiting."""
    if not mapping.writable or mapping.shared:
        return
    for key, count in list(space.waiting.items()):
        address = mapping.address_of(key[1]) if key[0] == mapping.file else None
        if address is not None and count and _add(space, address, count):
            space.raised[key] = space.raised.get(key, 0) + count
            del space.waiting[key]


def _address(space: Space, key: tuple[FileId, int]) -> int | None:
    """Where a private writable mapping shows the semaphore (the kernel's valid_ref_ctr_vma)."""
    for mapping in space.mappings_of(key[0]):
        if mapping.writable and not mapping.shared:
            address = mapping.address_of(key[1])
            if address is not None:
                return address
    return None


def _add(space: Space, address: int, delta: int) -> bool:
    """Add to the 16 bits at *address*; False, and nothing done, if they would leave the range of a short."""
    try:
        (value,) = struct.unpack("<h", space.process.read(address, 2))
        if not 0 <= value + delta <= 0x7FFF:
            return False
        space.process.poke(address, struct.pack("<h", value + delta))
    except MemoryFault:
        return False
    return True
