"""An engine that is looked at while it runs: its hooks, samples of it, which code it has executed.

The reference; ``native/glue`` has the same in C.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from typing import Any

from uprobe_linux.memory.arena import Arena

from uprobe_unicorn import library as uc
from uprobe_unicorn.emulator import UnicornEngine
from uprobe_unicorn.library import CodeHook, check
from uprobe_unicorn.meter import Meter

__all__ = ("ObservedEngine",)


def _no_sample(_block: int, _address: int) -> None:
    """Nobody wants samples."""


class ObservedEngine(UnicornEngine):
    """One Unicorn engine, with what is asked of it beyond running."""

    _meter: Meter

    def __init__(self, arena: Arena) -> None:
        super().__init__(arena)
        self._callbacks: list[Any] = []
        self._seen = 0
        """Instructions executed up to where somebody last looked."""
        self._take: Callable[[int, int], None] = _no_sample
        self._blocks: Counter[tuple[int, int]] = Counter()
        """How often each was executed, by start and size."""
        self._last = 0, 0
        """The one that was entered last."""

    def _add_hook(self, kind: int, callback: Any, begin: int, end: int, data: int | None = None) -> int:
        hook = ctypes.c_size_t()
        self._callbacks.append(callback)
        status = self._lib.hook_add(self._uc, ctypes.byref(hook), kind, callback, data, begin, end)
        check(self._lib, status, f"hook {kind}")
        return hook.value

    # --- samples -------------------------------------------------------------------------------

    def sample(self, every: int, take: Callable[[int, int], None]) -> None:
        """Call *take*, with a block and an address in it, before each *every*th instruction; 0: no more."""
        self._meter.sample(self._seen, every, self._taken)
        self._take = take

    def _taken(self, executed: int, block: int, address: int) -> None:
        self._seen = executed
        self._take(block, address)

    def look_for_sample(self, address: int) -> None:
        """The instruction at *address*, which the task is at, is done elsewhere."""
        self._meter.take_samples(self._seen, self._seen + 1, address)

    def hold_samples(self, on: bool) -> None:
        """Take none as long as this is on."""
        self._meter.held = on

    # --- executed code -------------------------------------------------------------------------

    def watch_code(self) -> None:
        """Count blocks of code that are executed."""
        self._add_hook(uc.HOOK_BLOCK, CodeHook(self._on_block), 1, 0)

    def _on_block(self, _uc: int, address: int, size: int, _data: int) -> None:
        self._blocks[address, size] += 1
        self._last = address, size

    def _code_left(self, ahead: int) -> None:
        """A run has ended, and so many instructions of the block that was entered last were not executed."""
        (start, size), self._last = self._last, (0, 0)
        if ahead and self._blocks[start, size]:
            self._blocks[start, size] -= 1
            self._blocks[start, size - 4 * ahead] += 1

    def take_code(self, start: int = 0, end: int = (1 << 64) - 1) -> list[tuple[int, int, int]]:
        """Of those that begin in [start, end): start, size, how often executed since the last call."""
        found = [(at, size) for (at, size), times in self._blocks.items() if times and start <= at < end]
        return [(at, size, self._blocks.pop((at, size))) for at, size in found if size]
