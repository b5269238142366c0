"""Files that decide what a run may do: set-up files, event files, tables of inputs.

A program that could write one of them would decide about the next run, or the next cell of a sweep.
"""

from __future__ import annotations

import os

__all__ = ("decisive_files", "note")

_noted: dict[str, None] = {}


def note(path: str) -> None:
    """The file or folder *path* is one of them, for every program that this process runs from here on."""
    _noted[os.path.realpath(path)] = None


def decisive_files() -> tuple[str, ...]:
    """Real paths of those that are there."""
    return tuple(path for path in _noted if os.path.isfile(path) or os.path.isdir(path))
