"""One address space of a target; see :class:`uprobe_core.backend.Process`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from uprobe_core.errors import BackendError, ProbeError
from uprobe_core.types import Access, FaultKind, Mapping, MemoryFault
from uprobe_gdbremote.areas import Areas
from uprobe_gdbremote.elf import PAGE
from uprobe_gdbremote.exclusives import LOOK, is_inside, words_of
from uprobe_gdbremote.inject import MMAP, MPROTECT
from uprobe_gdbremote.points import SIZE, Points
from uprobe_gdbremote.slots import Slots

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client

__all__ = ("RemoteProcess",)

_XOL_SLOTS = 64


class Owner(Protocol):
    """What a process asks of its machine."""

    def prepare(self, process: RemoteProcess, address: int) -> None:
        """A probe is at *address* of *process*."""
        ...

    def system_call(self, process: RemoteProcess, number: int, *arguments: int) -> int:
        """Make a system call in the name of *process*."""
        ...


class Mapped(Protocol):
    """What is mapped in an address space (a World)."""

    mappings: list[Mapping]
    svc: int
    """Address of a system call instruction, 0 without one."""

    def add_area(self, base: int, size: int) -> None:
        """Memory of ours was mapped."""
        ...

    def look(self) -> None:
        """The loader's list may have changed."""
        ...


class RemoteProcess:
    """One address space that a stub shows, or what a child sees of its parent's until it executes (vfork).

    :ivar world: what is mapped in it; None before that is known
    """

    def __init__(
        self, client: Client, pid: int, owner: Owner, scratch: tuple[int, int] | None = None
    ) -> None:
        self._client, self.owner = client, owner
        self.pid = self._memory_of = pid
        self.world: Mapped | None = None
        self._begin(scratch)

    def _begin(self, scratch: tuple[int, int] | None) -> None:
        """Nothing of ours is in memory."""
        self.points = Points(self._client, self.select)
        self.areas = Areas(self._client, self, scratch)
        self.slots = Slots(self.areas, self.mappings)
        self._xol: tuple[int, int, int] | None = None

    def copy(self, pid: int) -> RemoteProcess:
        """What a fork makes of it, in process *pid*."""
        made = RemoteProcess(self._client, pid, self.owner)
        made.points.take_over(self.points)
        made.areas.take_over(self.areas)
        made.slots.take_over(self.slots)
        made._xol = self._xol
        return made

    def borrow(self, pid: int) -> RemoteProcess:
        """Process *pid*, which has this memory until it executes a program or ends.

        What is put there is asked for in the lender's name: the stub would forget it with the child.
        """
        made = RemoteProcess(self._client, pid, self.owner)
        made.points, made.areas, made.slots = self.points, self.areas, self.slots
        made._xol, made.world, made._memory_of = self._xol, self.world, self._memory_of
        return made

    @property
    def borrows(self) -> bool:
        """Whether its memory is another's."""
        return self._memory_of != self.pid

    def has_memory_of(self, other: RemoteProcess) -> bool:
        """Whether both are in one address space."""
        return self._memory_of == other._memory_of

    def select(self) -> None:
        """Have what is asked next be about this memory."""
        if self._client.several:
            self._client.select_process(self._memory_of)

    def begin_again(self) -> None:
        """Another program was executed: what was ours in memory is gone, and the stub has forgotten it."""
        self._memory_of = self.pid
        self._begin(self.areas.scratch)

    # --- memory ----------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """See :class:`uprobe_core.backend.Process`."""
        area = self.areas.of(address, size)
        if area is not None:
            return area.read(address, size)
        self.select()
        data = self._client.read(address, size)
        if len(data) < size:
            data += self._rest(address + len(data), size - len(data))
        if len(data) < size:
            raise MemoryFault(address + len(data), Access.READ)
        return self._with_traps(address, data)

    def _rest(self, address: int, size: int) -> bytes:
        """What is there before the first page that is not: a stub may refuse a read as a whole."""
        result = b""
        while len(result) < size:
            at = address + len(result)
            part = self._client.read(at, min(size - len(result), PAGE - at % PAGE))
            if not part:
                break
            result += part
        return result

    def _with_traps(self, address: int, data: bytes) -> bytes:
        """*data* as the program would read it: visible breakpoints are in it, others are not."""
        shown: bytearray | None = None
        for at in range((address - SIZE + 1) & -SIZE, address + len(data), SIZE):
            point = self.points.get(at) if len(data) < PAGE else None
            if point is not None and point.trap and point.visible:
                shown = shown or bytearray(data)
                for n, byte in enumerate(point.trap):
                    if address <= at + n < address + len(data):
                        shown[at + n - address] = byte
        return data if shown is None else bytes(shown)

    def write(self, address: int, data: bytes) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        for mapping in self.mappings():
            if mapping.start <= address < mapping.end and not mapping.writable:
                raise MemoryFault(address, Access.WRITE, FaultKind.ACCERR)
        # A stub may keep pages that something ran in from being written, whatever the program may do.
        if not self._client.write(address, data) and not self._open_and_write(address, data):
            raise MemoryFault(address, Access.WRITE)

    def poke(self, address: int, data: bytes) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        if self._client.write(address, data):
            return
        if len(self._client.read(address, len(data))) < len(data) or not self._open_and_write(address, data):
            raise MemoryFault(address, Access.WRITE)

    def _open_and_write(self, address: int, data: bytes) -> bool:
        """Store into pages that the stub respects the protection of."""
        start = address & -PAGE
        size = (address + len(data) + PAGE - 1 & -PAGE) - start
        bits = next(
            (
                m.readable | m.writable << 1 | m.executable << 2
                for m in self.mappings()
                if m.start <= address < m.end
            ),
            None,
        )
        if bits is None or self.owner.system_call(self, MPROTECT, start, size, bits | 2) != 0:
            return False
        done = self._client.write(address, data)
        self.owner.system_call(self, MPROTECT, start, size, bits)
        return done

    def mappings(self) -> Sequence[Mapping]:
        """See :class:`uprobe_core.backend.Process`."""
        return () if self.world is None else tuple(self.world.mappings)

    # --- memory of ours (a Mapper) -----------------------------------------------------------------------

    @property
    def can_map(self) -> bool:
        """Whether a system call can be made in the program's name."""
        return self.world is not None and bool(self.world.svc)

    def map_code(self, hint: int, size: int) -> int:
        """Map memory for displaced instructions near *hint*; raises BackendError."""
        base = self.owner.system_call(self, MMAP, hint, size, 7, 0x22, (1 << 64) - 1, 0)
        if base < 0:
            raise BackendError(f"the program got no memory for displaced instructions: errno {-base}")
        if self.world is not None:
            self.world.add_area(base, size)
        return base

    def open_code(self, address: int, size: int) -> None:
        """Have the stub let us write memory of ours: qemu-user refuses pages whose code it has translated."""
        self.owner.system_call(self, MPROTECT, address, size, 7)

    # --- probes ----------------------------------------------------------------------------------------

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        self._refuse_inside(address)
        point = self.points.make(address)
        point.trap, point.visible = insn, visible
        self.owner.prepare(self, address)

    def _refuse_inside(self, address: int) -> None:
        """Raise ProbeError between a load-exclusive and its store: stopped there it fails for ever."""
        start = max(address - SIZE * LOOK, address & -PAGE)
        words = words_of(self._client.read(start, SIZE * 2 * LOOK))
        at = (address - start) // SIZE
        if is_inside(words[:at], words[at:]):
            raise ProbeError(
                f"{address:#x} is between a load-exclusive and its store-exclusive,"
                " which would fail for ever if the program stopped there",
                address=address,
                hint="probe the load-exclusive, or what follows the sequence",
            )

    def remove_trap(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        point = self.points.get(address)
        if point is not None:
            self.select()
            point.trap = b""
            self.points.release(point)

    def insert_inline(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        self._refuse_inside(address)
        self.points.make(address).inline = True
        self.owner.prepare(self, address)

    def remove_inline(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        point = self.points.get(address)
        if point is not None:
            self.select()
            point.inline = False
            self.points.release(point)

    def insert_watch(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        point = self.points.make(address)
        point.watches += 1
        point.vain = 0
        self.points.follow(point)

    def remove_watch(self, address: int) -> None:
        """See :class:`uprobe_core.backend.Process`; the breakpoint may stay a while."""
        point = self.points.get(address)
        if point is not None and point.watches:
            self.select()
            point.watches -= 1
            self.points.follow(point)

    # --- slots of the core -------------------------------------------------------------------------------

    def create_xol_area(self, trap: bytes) -> tuple[int, int, int]:
        """See :class:`uprobe_core.backend.Process`."""
        if self._xol is None:
            self.select()
            size = len(trap) + _XOL_SLOTS * SIZE
            area, address = self.areas.anywhere(size, self.mappings())
            area.write(address, trap)
            self._xol = address, size, SIZE
            if not self.can_map:  # there is no system that makes a signal of the trap
                self.points.make(address).core = True
        return self._xol

    def write_slot(self, address: int, insn: bytes) -> None:
        """See :class:`uprobe_core.backend.Process`."""
        self.select()
        area = self.areas.of(address, len(insn))
        if area is None:
            raise MemoryFault(address, Access.WRITE)
        area.write(address, insn)

    def flush(self, address: int, size: int) -> None:
        """A stub makes what it writes coherent."""
