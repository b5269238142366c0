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
        for address, size, times in blocks:
            at = bisect_right(starts, address) - 1
            if at >= 0 and address < mappings[at].end:
                mapping = mappings[at]
                offset = address - mapping.start + mapping.offset
                self._add(mapping.path, (offset, size), times)

    def _add(self, path: str, block: tuple[int, int], times: int) -> None:
        of_file = self.files.setdefault(path, {})
        of_file[block] = of_file.get(block, 0) + times

    def take(self) -> dict[str, Blocks]:
        """What was seen since this was asked last, in a forked process for the session."""
        files, self.files = self.files, {}
        return files

    def merge(self, files: Mapping[str, Mapping[tuple[int, int], int]]) -> None:
        """Add what another process has seen."""
        for path, blocks in files.items():
            for block, times in blocks.items():
                self._add(path, block, times)
