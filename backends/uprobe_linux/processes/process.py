"""One guest address space with what belongs to it; see :class:`uprobe_core.backend.Process`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uprobe_core.types import Mapping
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.probing.points import LANDING, ProbePoints
from uprobe_linux.processes.rlimits import new_limits

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process, Task
    from uprobe_linux.processes.credentials import Credentials
    from uprobe_linux.processes.world import World

__all__ = ("LinuxProcess",)


class LinuxProcess:
    """A process: memory, tasks, files, signal dispositions, identity.

    :param pid: as the guest sees it
    """

    def __init__(self, machine: World, pid: int, memory: AddressSpace) -> None:
        self.machine: World = machine
        self.pid = pid
        self.memory = memory
        self.tasks: list[Task] = []
        self.exe_path = ""
        """The program as the guest names it, resolved (/proc/self/exe)."""
        self.argv: list[bytes] = []
        self.envp: list[bytes] = []
        self.auxv = b""
        self.rlimits = new_limits()
        self.personality = 0
        self.io_priority = 0
        self.files: Any = None
        """FdTable."""
        self.fs: Any = None
        """FsContext: root, cwd, umask."""
        self.signals: Any = None
        """SignalTable."""
        self.credentials: Credentials | None = None
        """User and group ids; None until somebody asks."""
        self.random = random.Random(machine.target.seed)
        """Of AT_RANDOM and getrandom."""
        self.sigreturn_address = 0
        """Where a signal handler without SA_RESTORER returns to."""
        self.probes = ProbePoints(memory, machine.cpu)
        self.signal_watcher: Callable[[Process, int], None] | None = None
        """Told of each signal that is queued, once there is a signalfd."""
        self.exit_code: int | None = None
        self.exit_signal = 0
        self.killed_at: tuple[int | None, int | None] = (None, None)
        """PC when a signal killed it, and the address of a fault."""
        self.terminal_left = 0
        """The session whose terminal it has given up (TIOCNOTTY)."""
        self.dumpable = 1
        """prctl(PR_SET_DUMPABLE)."""

    def new_memory(self) -> AddressSpace:
        """An empty address space in place of the old one (exec)."""
        old, shared = self.memory, self._memory_is_shared()
        self.probes.clear()
        if not shared:
            old.release_all()
        self.attach_memory(AddressSpace(old.arena, self.machine.cpu, old.limit, old.kept))
        return self.memory

    def _memory_is_shared(self) -> bool:
        processes = self.machine.family.local.values()
        return any(p is not self and p.memory is self.memory for p in processes)

    def attach_memory(self, memory: AddressSpace) -> None:
        """Make *memory* ours."""
        self.memory = memory
        self.probes = ProbePoints(memory, self.machine.cpu)
        self.bind_memory()
        self.machine.memory_changed(self)

    def bind_memory(self) -> None:
        """Tell the probe handler of our memory's changes in our name (also after a fork)."""
        handler, memory = self.machine.handler, self.memory
        memory.on_map = lambda mapping: handler.on_mmap(self, mapping)
        memory.on_unmap = self._about_to_unmap
        memory.on_move = self._about_to_move
        memory.on_code_written = lambda start, end: handler.on_code_written(self, start, end)

    def _about_to_unmap(self, start: int, end: int) -> None:
        self.machine.tell_code(self, start, end)
        self.machine.handler.on_munmap(self, start, end)
        self.probes.forget(start, end)

    def _about_to_move(self, start: int, end: int) -> None:
        self.probes.lift(start, end)
        self._about_to_unmap(start, end)

    # --- probing -------------------------------------------------------------------------------

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """Put a breakpoint over the instruction at *address*; idempotent."""
        self.probes.insert_trap(address, insn, visible=visible)

    def remove_trap(self, address: int) -> None:
        """Take the breakpoint at *address* out again."""
        self.probes.remove_trap(address)

    def insert_inline(self, address: int) -> None:
        """Report on_inline before each execution at *address*."""
        self.probes.insert_inline(address)

    def remove_inline(self, address: int) -> None:
        """Undo insert_inline."""
        self.probes.remove_inline(address)

    def insert_watch(self, address: int) -> None:
        """Report on_watch before each execution at *address*; counted."""
        self.probes.insert_watch(address)

    def remove_watch(self, address: int) -> None:
        """Undo one insert_watch."""
        self.probes.remove_watch(address)

    def create_xol_area(self, trap: bytes) -> tuple[int, int, int]:
        """(address, size, stride) of the XOL page, mapped if it is not there, *trap* at its start."""
        return self.probes.create_xol_area(trap)

    def write_slot(self, address: int, insn: bytes) -> None:
        """Store *insn* into a slot, its landing behind it; translations are flush's part."""
        self.memory.store_raw(address, insn + LANDING)

    def flush(self, address: int, size: int) -> None:
        """Forget translations of [address, address + size), and of the landing behind it."""
        self.memory.forget_code(address, size + len(LANDING))

    # --- GuestMemory ---------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes of the data view; raises MemoryFault."""
        return self.memory.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Store through the guest's own permissions; raises MemoryFault."""
        self.memory.write(address, data)

    def poke(self, address: int, data: bytes) -> None:
        """Store whatever the write permission is; raises MemoryFault if unmapped."""
        self.memory.poke(address, data)

    def mappings(self) -> Sequence[Mapping]:
        """All mappings, sorted by address."""
        return self.memory.mappings()
