"""Mappings that a CPU makes by itself: what it has to know for that, and what became of them.

It is lent a list of what is mapped and a part of the arena.  What it maps and unmaps again before
anybody asks for the mappings (``AddressSpace.vmas``) we never hear of; the rest becomes ours then.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from uprobe_core.types import FileId
from uprobe_linux.cpu import Perm
from uprobe_linux.memory.address_space import MMAP_BASE, MMAP_MIN
from uprobe_linux.memory.file_image import FileImage, HostFile, MappedFile
from uprobe_linux.memory.vma import Vma
from uprobe_linux.processes.rlimits import INFINITY, RLIMIT_AS, RLIMIT_DATA

if TYPE_CHECKING:
    from uprobe_linux.cpu import OwnCalls
    from uprobe_linux.kernel import Process
    from uprobe_linux.memory.address_space import AddressSpace
    from uprobe_linux.processes.world import World

__all__ = ("OwnMaps",)

_LENT, _LEAST = 8 << 20, 2 << 20
"""Bytes of the arena that are lent, and those that may be left of them before it is lent more."""
_MOST_MAPPINGS = 1024
"""With more of them (thousands of threads) to tell the CPU of all of them at each change takes longest."""


class OwnMaps:
    """The mappings of the process that runs."""

    def __init__(self, machine: World, calls: OwnCalls) -> None:
        self._machine = machine
        self._calls = calls
        self._seen: tuple[AddressSpace | None, int] = (None, 0)
        self._untold: list[tuple[AddressSpace, Vma]] = []
        """Files that were mapped; while guest code runs nobody is told."""
        target = machine.target
        self._told = target.on_sample is not None or target.on_code is not None

    def show(self, process: Process) -> None:
        """*process* is about to run."""
        calls, memory, limits = self._calls, process.memory, process.rlimits
        limited = limits[2 * RLIMIT_AS] != INFINITY or limits[2 * RLIMIT_DATA] != INFINITY
        calls.maps_on = not limited and not self._told and not memory.kept_from_stores
        seen = memory, memory.vmas.version
        calls.maps_on = calls.maps_on and len(memory.vmas) <= _MOST_MAPPINGS
        if not calls.maps_on or seen == self._seen:
            return
        self._seen = seen
        pairs = array("Q", [word for vma in memory.vmas for word in (vma.start, vma.end)])
        if not calls.set_regions(pairs.tobytes(), MMAP_MIN, MMAP_BASE):
            calls.maps_on, self._seen = False, (None, 0)
        if calls.arena_end - calls.arena_next < _LEAST:
            self._lend()

    def _lend(self) -> None:
        arena, calls = self._machine.arena, self._calls
        if calls.arena_end > calls.arena_next:
            arena.release(calls.arena_next, calls.arena_end - calls.arena_next)
        try:
            start, size = arena.allocate(_LENT), _LENT
        except OSError:  # then there is none here
            start = size = 0
        calls.lend_arena(start, start + size)

    # --- afterwards ----------------------------------------------------------------------------------

    def take(self) -> dict[int, Vma]:
        """What was mapped, by the CPU's numbers, and is to be added to the address space."""
        found, start, end = self._calls.take_maps()
        made = {number: self._vma(*row) for number, row in found.items()}
        for vma in sorted(made.values(), key=lambda each: each.physical):
            self._give_back(start, vma.physical)
            start = vma.physical + vma.end - vma.start
        self._give_back(start, end)
        return made

    def _give_back(self, start: int, end: int) -> None:
        """What lay there is unmapped again."""
        if start < end:
            self._machine.arena.release(start, end - start)

    def _vma(
        self,
        start: int,
        end: int,
        physical: int,
        perms: int,
        host: int,
        offset: int,
        writable: bool,
        read: bool,
        stamp: tuple[int, ...],
    ) -> Vma:
        vma = Vma(start, end, Perm(perms), physical=physical)
        if host >= 0:
            file = HostFile(host, given=True)
            vma.offset = offset
            vma.image = FileImage(self._machine.arena, file, physical, end - start, offset)
            vma.image.was_read(stamp, whole=read)
            vma.file = MappedFile(FileId(stamp[0], stamp[1]), "", file, writable=writable)
        return vma

    def add(self, process: Process, vma: Vma, fd: int) -> None:
        """*vma* is mapped, and of the file that *fd* was then."""
        if vma.file is not None:
            path = process.files.get(fd).file.path
            vma.file = MappedFile(vma.file.file_id, path, vma.file.host, writable=vma.file.writable)
            self._untold.append((process.memory, vma))
        process.memory.add(vma)

    def tell(self) -> None:
        """Guest code does not run any more."""
        for memory, vma in self._untold:
            memory.tell(vma)
        self._untold.clear()
