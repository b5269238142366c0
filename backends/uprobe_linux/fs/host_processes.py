"""The host's procfs, wherever it is mounted: below it lie the emulator's own memory and descriptors.

A guest has a /proc of its own.  A folder that it was given, "/" for example, or a
tree that somebody changes root into, may have a real one inside.
"""

from __future__ import annotations

import re

from uprobe_linux.fs.own_files import inside

__all__ = ("process_folders",)


def process_folders() -> tuple[str, ...]:
    """Where this process sees a procfs, none inside another; facts: proc_pid_mountinfo(5)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.partition(" - ") for line in file]
    except OSError:
        return ()
    points = sorted(_plain(mounted.split(" ")[4]) for mounted, _, kind in rows if kind.startswith("proc "))
    return tuple(p for at, p in enumerate(points) if not any(inside(p, other) for other in points[:at]))


def _plain(field: str) -> str:
    """A path without the octal escapes of that file."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)
