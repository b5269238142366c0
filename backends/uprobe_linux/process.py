"""One guest address space with what belongs to it; see :class:`uprobe_core.backend.Process`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uprobe_core.types import Access, Fault, Mapping
from uprobe_linux.address_space import AddressSpace

if TYPE_CHECKING:
    from uprobe_linux.machine import LinuxMachine
    from uprobe_linux.task import LinuxTask

__all__ = ("LinuxProcess",)


class LinuxProcess:
    """A process: memory, tasks, files, signal dispositions, identity.

    :param pid: as the guest sees it
    """

    def __init__(self, machine: LinuxMachine, pid: int, memory: AddressSpace) -> None:
        self.machine = machine
        self.pid = pid
        self.memory = memory
        self.tasks: list[LinuxTask] = []
        self.exe_path = ""
        """The program as the guest names it, resolved (/proc/self/exe)."""
        self.argv: list[bytes] = []
        self.envp: list[bytes] = []
        self.auxv = b""
        self.rlimits: dict[int, tuple[int, int]] = {}
        self.files: Any = None
        """FdTable."""
        self.fs: Any = None
        """FsContext: root, cwd, umask."""
        self.signals: Any = None
        """SignalTable."""
        self.exit_code: int | None = None
        self.exit_signal = 0

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

    def fault_for(self, address: int, access: Access) -> Fault | None:
        """What an access at *address* would raise, None if it would succeed."""
        return self.memory.fault_for(address, access)
