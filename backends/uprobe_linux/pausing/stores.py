"""Stores that somebody waits for: their pages cannot be written, so that the store faults before it is made.

The runner then comes here.  A store to elsewhere in the page is made here, or else the one instruction is
executed with the page open.  What a
system call writes is not seen, as by a processor's own watchpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import PAGE
from uprobe_linux.cpu_support.effective_address import access_bytes, effective_address
from uprobe_linux.memory.address_space import untagged

if TYPE_CHECKING:
    from uprobe_linux.kernel import Task
    from uprobe_linux.memory.address_space import AddressSpace

__all__ = ("WatchedStores",)

_PC = 32
_ZVA = 64
_NOWHERE: frozenset[int] = frozenset()


class WatchedStores:
    """The ranges of one address space."""

    def __init__(self) -> None:
        self.ranges: frozenset[tuple[int, int]] = frozenset()
        """[start, end) of each."""
        self._memory: AddressSpace | None = None
        self._pages = _NOWHERE
        self._faulted: tuple[Task, int] | None = None
        self._is_open = False

    def set(self, memory: AddressSpace, ranges: frozenset[tuple[int, int]]) -> None:
        """Wait for stores to *ranges* of *memory*, and to nothing else."""
        if self._memory is not None:
            self._close(_NOWHERE)
        self.ranges, self._memory = ranges, memory if ranges else None
        self._pages = frozenset(
            page for start, end in ranges for page in range(start & -PAGE, max(end, start + 1), PAGE)
        )
        self._faulted, self._is_open = None, False
        if self._memory is not None:
            self._close(self._pages)

    def _close(self, pages: frozenset[int]) -> None:
        assert self._memory is not None
        before, self._memory.kept_from_stores = self._memory.kept_from_stores, pages
        for page in before | pages:
            self._memory.forget_page(page)

    @property
    def is_refused(self) -> bool:
        """Whether a store was refused that :meth:`take` has not looked at."""
        return self._faulted is not None

    def faulted(self, task: Task) -> None:
        """*task* was refused a store that its program may make."""
        if task.process.memory is self._memory:
            self._faulted = task, task.get_reg(_PC)
            task.skip_hook = task.get_reg(_PC)  # what is there was hit; the store is still the same execution

    def take(self, task: Task) -> bool:
        """Whether *task* is about to make a store that was refused only here: the page is open for it now.

        One that is to none of the ranges may have been made instead, and PC is behind it.

        To be called before each run of the CPU; once for each refused store.
        """
        faulted, self._faulted = self._faulted, None
        if faulted != (task, task.get_reg(_PC)) or self._make_elsewhere(task):
            return False
        self._is_open = True
        self._close(_NOWHERE)
        return True

    def _make_elsewhere(self, task: Task) -> bool:
        """Make the store at PC here if it changes nothing of the ranges: the emulator takes much longer.

        From then on the CPU may make such stores to the page by itself.
        """
        from uprobe_linux.pausing.plain_stores import make_store  # few runs watch stores

        memory, cpu, pc = task.process.memory, task.machine.cpu, task.get_reg(_PC)
        try:
            is_made = make_store(task, memory.fetch_word(pc), self.ranges)
        except MemoryFault:
            return False
        if is_made:
            cpu.look_for_sample(pc)
            cpu.retire(1)
            for page in self._pages:
                if (physical := memory.plain_page(page)) >= 0:
                    cpu.make_stores(page, physical, self.ranges)
        return is_made

    def after(self) -> None:
        """The CPU has run."""
        if self._is_open and self._memory is not None:
            self._close(self._pages)
        self._is_open = False

    def touched(self, task: Task) -> int | None:
        """The start of a range that the instruction at PC is about to store to, None: of none."""
        pc = task.get_reg(_PC)
        word = task.process.memory.fetch_word(pc)
        start = effective_address(word, pc, task.get_reg)
        if start is None:
            return None
        size = access_bytes(word)
        start = untagged(start) & -size if size == _ZVA else untagged(start)
        hit = [low for low, high in self.ranges if low < start + size and start < high]
        return min(hit, default=None)
