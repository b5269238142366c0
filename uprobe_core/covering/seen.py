"""Executed blocks by file and offset, over the processes of a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.backend import Process

__all__ = ("CodeSeen",)

Blocks = dict[tuple[int, int], int]
"""How often each was executed, by file offset and size in bytes."""


class CodeSeen:
    """What a backend tells of executed code (a ``target.CodeWatcher``).

    :ivar files: blocks by the guest's path of the file; code that is in no file is left out
    """

    def __init__(self) -> None:
        self.files: dict[str, Blocks] = {}

    def executed(self, process: Process, blocks: Sequence[tuple[int, int, int]]) -> None:
        """*process* has executed *blocks*."""
        mappings = [each for each in process.mappings() if each.file is not None and each.executable]
        starts = [each.start for each in mappings]
        of_files = [self.files.setdefault(each.path, {}) for each in mappings]
        ends = [each.end for each in mappings]
        offsets = [each.offset - each.start for each in mappings]
        for address, size, times in blocks:
            at = bisect_right(starts, address) - 1
            if at >= 0 and address < ends[at]:
                of_file, block = of_files[at], (address + offsets[at], size)
                of_file[block] = of_file.get(block, 0) + times
        self.files = {path: of_file for path, of_file in self.files.items() if of_file}

    def take(self) -> dict[str, Blocks]:
        """What was seen since this was asked last, in a forked process for the session."""
        files, self.files = self.files, {}
        return files

    def merge(self, files: Mapping[str, Mapping[tuple[int, int], int]]) -> None:
        """Add what another process has seen."""
        for path, blocks in files.items():
            of_file = self.files.setdefault(path, {})
            for block, times in blocks.items():
                of_file[block] = of_file.get(block, 0) + times
