"""A system call made in the program's name, for memory that it has not asked for itself.

The thread is sent to an ``svc`` of its own program with other registers and
stopped behind it by a breakpoint: a step would do one instruction too many
under qemu-user, which goes on behind the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uprobe_core.errors import BackendError
from uprobe_gdbremote.registers import PC

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.elf import LoadedFile
    from uprobe_gdbremote.registers import ThreadRegisters

__all__ = ("MMAP", "MPROTECT", "MUNMAP", "Injector", "find_svc")

MMAP, MUNMAP, MPROTECT = 222, 215, 226
_SVC = (0xD4000001).to_bytes(4, "little")
_NUMBER = 8
"""x8 has the number of the call."""
_ERRORS = 4096


def find_svc(file: LoadedFile, bias: int, client: Client) -> int:
    """Address of an ``svc #0`` of *file*, 0 if it has none that is really there."""
    for vaddr, code in file.code():
        at = code.find(_SVC)
        while at >= 0:
            address = vaddr + at + bias
            if address % 4 == 0 and client.read(address, 4) == _SVC:
                return address
            at = code.find(_SVC, at + 1)
    return 0


class Runs(Protocol):
    """What can let one thread run to a place."""

    def run_to(self, *addresses: int) -> int:
        """Let the thread that is stopped run until it comes to one of *addresses*, and nobody else."""
        ...


class Injector:
    """Makes system calls in the thread that is stopped; *svc* is the address of an ``svc #0``."""

    def __init__(self, machine: Runs, svc: int) -> None:
        self._machine, self.svc = machine, svc

    def call(self, registers: ThreadRegisters, number: int, *arguments: int) -> int:
        """What system call *number* answers, negative for an error; raises BackendError."""
        if not self.svc:
            raise BackendError(
                "the program has no system call instruction that could make room for displaced instructions",
                hint="name a free part of its memory: --target ...,scratch=ADDRESS+SIZE",
            )
        saved = registers.save()
        try:
            for index, value in enumerate(arguments):
                registers.set(index, value)
            registers.set(_NUMBER, number)
            registers.set(PC, self.svc)
            self._machine.run_to(self.svc + 4)
            result = registers.get(0)
        finally:
            registers.restore(saved)
        return result - (1 << 64) if result >= (1 << 64) - _ERRORS else result
