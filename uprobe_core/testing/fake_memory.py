"""The address space of the fake backend: segments of bytes, breakpoints over them, stale translations."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.types import Access, Fault, FaultKind, FileId, Mapping, MemoryFault

if TYPE_CHECKING:
    from uprobe_core.architecture import Architecture
    from uprobe_core.backend import ProbeHandler

__all__ = ("PAGE", "XOL_BASE", "FakeFile", "FakeProcess", "Segment", "Surroundings")

PAGE = 0x1000
XOL_BASE = 0x7F_0000
_INODES = itertools.count(1)


@dataclass(eq=False)
class FakeFile:
    """A file of the fake machine; its length is a whole number of pages."""

    path: str
    data: bytes
    id: FileId = field(default_factory=lambda: FileId(1, next(_INODES)))


@dataclass(eq=False)
class Segment:
    """One mapping and its private bytes."""

    mapping: Mapping
    data: bytearray


class Surroundings(Protocol):
    """What a process and its tasks need of their machine (a FakeMachine)."""

    handler: ProbeHandler
    xol_slots: int
    ticks: int

    @property
    def architecture(self) -> Architecture:
        """What the machine is."""
        ...

    def tick(self) -> None:
        """Time passes."""
        ...


class FakeProcess:
    """One address space.

    :ivar tasks: its threads (FakeTask)

    :ivar traps: address -> (instruction, visible)
    :ivar translations: what was fetched and not flushed since: like an emulator's, they can be stale
    """

    def __init__(self, machine: Surroundings, pid: int) -> None:
        self.machine = machine
        self.pid = pid
        self.tasks: list[Any] = []
        self.segments: list[Segment] = []
        self.traps: dict[int, tuple[bytes, bool]] = {}
        self.inline: set[int] = set()
        self.watches: Counter[int] = Counter()
        self.translations: dict[int, bytes] = {}
        self.xol_mapped = False

    # --- what a script does to it ------------------------------------------------------------------

    def map(
        self,
        file: FakeFile | None,
        address: int,
        *,
        offset: int = 0,
        size: int = PAGE,
        writable: bool = False,
        executable: bool = True,
        shared: bool = False,
    ) -> Mapping:
        """Map *size* bytes of *file* (None: zeroes) at *address*, and tell the handler of a file."""
        body = bytes(size) if file is None else file.data[offset : offset + size].ljust(size, b"\0")
        mapping = Mapping(
            address,
            address + size,
            True,
            writable,
            executable,
            shared,
            offset,
            None if file is None else file.id,
            "" if file is None else file.path,
        )
        self.segments.append(Segment(mapping, bytearray(body)))
        self.segments.sort(key=lambda s: s.mapping.start)
        if file is not None:
            self.machine.handler.on_mmap(self, mapping)
        return mapping

    def protect(self, address: int, *, writable: bool, executable: bool) -> None:
        """Change the protection of the whole segment at *address*, and tell the handler of a file."""
        segment = self._segment(address, Access.READ)
        segment.mapping = replace(segment.mapping, writable=writable, executable=executable)
        if segment.mapping.file is not None:
            self.machine.handler.on_mmap(self, segment.mapping)

    def unmap(self, start: int, end: int) -> None:
        """Unmap the whole segments in [start, end), with everything that lies over them."""
        self.machine.handler.on_munmap(self, start, end)
        self.segments = [s for s in self.segments if not start <= s.mapping.start < end]
        self.traps = {a: t for a, t in self.traps.items() if not start <= a < end}
        self.inline = {a for a in self.inline if not start <= a < end}
        self.flush(start, end - start)
        if start <= XOL_BASE < end:
            self.xol_mapped = False

    def store_code(self, address: int, data: bytes) -> None:
        """The guest rewrites its own code (whatever the mapping's permissions)."""
        self.poke(address, data)
        self.flush(address, len(data))
        self.machine.handler.on_code_written(self, address, address + len(data))

    def copy(self, pid: int) -> FakeProcess:
        """What fork makes of it."""
        child = FakeProcess(self.machine, pid)
        child.segments = [Segment(s.mapping, bytearray(s.data)) for s in self.segments]
        child.traps, child.inline = dict(self.traps), set(self.inline)
        child.watches = Counter(self.watches)
        child.xol_mapped = self.xol_mapped
        return child

    # --- the contract ------------------------------------------------------------------------------

    def _segment(self, address: int, access: Access) -> Segment:
        for segment in self.segments:
            if segment.mapping.start <= address < segment.mapping.end:
                return segment
        raise MemoryFault(address, access)

    def read(self, address: int, size: int) -> bytes:
        """See :class:`uprobe_core.backend.Process`; within one segment."""
        segment = self._segment(address, Access.READ)
        at = address - segment.mapping.start
        if at + size > len(segment.data):
            raise MemoryFault(segment.mapping.end, Access.READ)
        data = bytearray(segment.data[at : at + size])
        for where, (insn, visible) in self.traps.items():
            if visible and address <= where < address + size:
                data[where - address : where - address + len(insn)] = insn
        return bytes(data[:size])

    def write(self, address: int, data: bytes) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        if not self._segment(address, Access.WRITE).mapping.writable:
            raise MemoryFault(address, Access.WRITE, FaultKind.ACCERR)
        self.poke(address, data)

    def poke(self, address: int, data: bytes) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        segment = self._segment(address, Access.WRITE)
        at = address - segment.mapping.start
        segment.data[at : at + len(data)] = data

    def mappings(self) -> Sequence[Mapping]:
        """See :class:`uprobe_core.backend.Process`."""
        return [s.mapping for s in self.segments]

    def _fault_for(self, address: int, access: Access) -> Fault | None:
        """See :class:`uprobe_core.backend.Process`."""
        try:
            mapping = self._segment(address, access).mapping
        except MemoryFault:
            return Fault(FaultKind.MAPERR, 0, address, access)
        allowed = {
            Access.READ: mapping.readable,
            Access.WRITE: mapping.writable,
            Access.FETCH: mapping.executable,
        }
        return None if allowed[access] else Fault(FaultKind.ACCERR, 0, address, access)

    def fetch(self, address: int) -> bytes:
        """The bytes that the CPU looks at to execute at *address*: stale ones if nobody flushed."""
        fault = self._fault_for(address, Access.FETCH)
        if fault is not None:
            raise MemoryFault(address, Access.FETCH, fault.kind)
        if address in self.traps:
            return self.traps[address][0]
        if address not in self.translations:
            segment = self._segment(address, Access.FETCH)
            at = address - segment.mapping.start
            self.translations[address] = bytes(segment.data[at : at + self.machine.architecture.slot_bytes])
        return self.translations[address]

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.traps[address] = (insn, visible)

    def remove_trap(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.traps.pop(address, None)

    def insert_inline(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.inline.add(address)

    def remove_inline(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.inline.discard(address)

    def insert_watch(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.watches[address] += 1

    def remove_watch(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`; one too many is a bug of the caller."""
        assert self.watches[address] > 0, f"watch at {address:#x} removed more often than inserted"
        self.watches[address] -= 1

    def create_xol_area(self, trap: bytes) -> tuple[int, int, int]:
        """The area has as many slots as the machine was told to have; each is one instruction."""
        slot = self.machine.architecture.slot_bytes
        size = slot + slot * self.machine.xol_slots
        if not self.xol_mapped:
            self.xol_mapped = True
            self.map(None, XOL_BASE)
            segment = self._segment(XOL_BASE, Access.READ)
            segment.mapping = replace(segment.mapping, path="[uprobes]")
            self.poke(XOL_BASE, trap)
        return XOL_BASE, size, slot

    def write_slot(self, address: int, insn: bytes) -> None:
        """Translations of the slot stay what they were."""
        self.poke(address, insn)

    def flush(self, address: int, size: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        for stale in [a for a in self.translations if address <= a < address + size]:
            del self.translations[stale]
