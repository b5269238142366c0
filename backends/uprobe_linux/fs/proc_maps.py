"""The address space as /proc/PID/maps, smaps and statm show it (fs/proc/task_mmu.c)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.types import Mapping
    from uprobe_linux.kernel import Process

__all__ = ("maps_text", "smaps_rollup_text", "smaps_text", "statm_text")

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


def maps_text(process: Process) -> str:
    """/proc/PID/maps."""
    return "".join(map(_line, process.mappings()))


def smaps_text(process: Process) -> str:
    """/proc/PID/smaps, as if everything that is mapped were resident."""
    forked = _is_fork(process)
    return "".join(
        _line(mapping) + _rows(_details(mapping, forked=forked)) + "VmFlags: rd mr\n"
        for mapping in process.mappings()
    )


def smaps_rollup_text(process: Process) -> str:
    """/proc/PID/smaps_rollup: the sums over all mappings under one line."""
    forked, mappings = _is_fork(process), list(process.mappings())
    start, end = (mappings[0].start, mappings[-1].end) if mappings else (0, 0)
    totals: dict[str, int] = {}
    for mapping in mappings:
        for name, value in _details(mapping, forked=forked).items():
            totals[name] = totals.get(name, 0) + value
    for name in ("Size", "KernelPageSize", "MMUPageSize"):
        totals.pop(name, None)
    return f"{start:08x}-{end:08x} ---p 00000000 00:00 0 ".ljust(_NAME_COLUMN) + "[rollup]\n" + _rows(totals)


def _is_fork(process: Process) -> bool:
    """Whether the pages are still those of the process that it was forked from, as far as is known."""
    family = process.machine.family
    return not family.entry(process).executed and process.pid != family.main_pid


def _details(mapping: Mapping, *, forked: bool) -> dict[str, int]:
    size = (mapping.end - mapping.start) >> 10
    both = forked or mapping.shared
    return {
        "Size": size,
        "KernelPageSize": 4,
        "MMUPageSize": 4,
        "Rss": size,
        "Pss": size >> both,
        "Shared_Clean": 0,
        "Shared_Dirty": size if both else 0,
        "Private_Clean": 0,
        "Private_Dirty": 0 if both else size,
        "Referenced": size,
        "Anonymous": 0 if mapping.shared else size,
        "Swap": 0,
        "Locked": 0,
    }


def _rows(values: dict[str, int]) -> str:
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in values.items())


def sizes(process: Process) -> tuple[int, int, int]:
    """(total, resident, text) in pages; what can be accessed counts as resident."""
    total = text = 0
    for mapping in process.mappings():
        pages = (mapping.end - mapping.start) >> 12
        total += pages
        text += pages if mapping.executable else 0
    return total, process.memory.committed >> 12, text


def statm_text(process: Process) -> str:
    """/proc/PID/statm: size resident shared text lib data dt, in pages."""
    total, resident, text = sizes(process)
    return f"{total} {resident} {min(text, resident)} {text} 0 {max(resident - text, 0)} 0\n"
