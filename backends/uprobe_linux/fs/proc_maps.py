"""The address space as /proc/PID/maps, smaps and statm show it (fs/proc/task_mmu.c)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.types import Mapping
    from uprobe_linux.process import LinuxProcess

__all__ = ("maps_text", "smaps_text", "statm_text")

_NAME_COLUMN = 73


def _line(mapping: Mapping) -> str:
    """One line of maps: the name starts at column 73 (show_vma_header_prefix pads to 25 + 8 * 6)."""
    flags = "".join(
        letter if on else "-"
        for letter, on in (("r", mapping.readable), ("w", mapping.writable), ("x", mapping.executable))
    )
    file = mapping.file
    major, minor = (os.major(file.device), os.minor(file.device)) if file else (0, 0)
    head = (
        f"{mapping.start:08x}-{mapping.end:08x} {flags}{'s' if mapping.shared else 'p'} "
        f"{mapping.offset:08x} {major:02x}:{minor:02x} {file.inode if file else 0} "
    )
    return head.ljust(_NAME_COLUMN) + mapping.path + "\n" if mapping.path else head + "\n"


def maps_text(process: LinuxProcess) -> str:
    """/proc/PID/maps."""
    return "".join(map(_line, process.mappings()))


def smaps_text(process: LinuxProcess) -> str:
    """/proc/PID/smaps, as if everything that is mapped were resident."""
    return "".join(
        _line(mapping) + _details((mapping.end - mapping.start) >> 10) for mapping in process.mappings()
    )


def _details(size: int) -> str:
    rows = {
        "Size": size,
        "KernelPageSize": 4,
        "MMUPageSize": 4,
        "Rss": size,
        "Pss": size,
        "Shared_Clean": 0,
        "Shared_Dirty": 0,
        "Private_Clean": 0,
        "Private_Dirty": size,
        "Referenced": size,
        "Anonymous": size,
        "Swap": 0,
        "Locked": 0,
    }
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows.items()) + "VmFlags: rd mr\n"


def sizes(process: LinuxProcess) -> tuple[int, int, int]:
    """(total, resident, text) in pages; what can be accessed counts as resident."""
    total = text = 0
    for mapping in process.mappings():
        pages = (mapping.end - mapping.start) >> 12
        total += pages
        text += pages if mapping.executable else 0
    return total, process.memory.committed >> 12, text


def statm_text(process: LinuxProcess) -> str:
    """/proc/PID/statm: size resident shared text lib data dt, in pages."""
    total, resident, text = sizes(process)
    return f"{total} {resident} {min(text, resident)} {text} 0 {max(resident - text, 0)} 0\n"
