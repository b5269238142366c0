"""What an architecture is, as one record that its plugin gives: registers, instruction sizes, the breakpoint.

Whoever needs a register, the size of an instruction or the machine of an ELF
file is handed this record; nothing outside an architecture's plugin and the
backends that run its programs knows such a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uprobe_core.errors import UsageError

__all__ = ("Architecture", "Registers")


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """The general registers of an architecture, and what its procedure call standard uses them for.

    Each has a number, the index of :class:`~uprobe_core.types.RegisterFile`.  Those that unwind
    information speaks of have DWARF's number for this architecture.

    :param names: the number of each name of the fetch language (``%name``), in the order in which
        people are told of them; a name that a kernel's regs_query_register_offset does not know
        must not be here
    :param count: how many there are; numbers are 0 to *count* - 1
    :param sp: the stack pointer; the stack grows down
    :param pc: the address of the next instruction
    :param result: holds an integer that a function returns
    :param arguments: hold integer arguments 1, 2 ... at a function's first instruction, as far as
        they are in registers
    :param link: holds the return address at a function's first instruction and, after a return,
        still; None: it lies on the stack
    :param frame: points to the newest frame record, two words: the older record, the return address;
        None: there are no such records
    :param width: bytes of a register, and so of a pointer and of a stack slot
    :param state: the processor's state, of which a branch changes a part; None: no branch does
    """

    names: Mapping[str, int]
    count: int
    sp: int
    pc: int
    result: int
    arguments: tuple[int, ...] = ()
    link: int | None = None
    frame: int | None = None
    width: int = 8
    state: int | None = None

    @property
    def mask(self) -> int:
        """All bits of a register."""
        return (1 << 8 * self.width) - 1

    def argument(self, number: int) -> int | None:
        """The register of integer argument *number* (1 is the first), None if it is on the stack."""
        return self.arguments[number - 1] if 0 < number <= len(self.arguments) else None

    def number(self, name: str) -> int:
        """The number of the register *name*; raises UsageError if there is none."""
        number = self.names.get(name)
        if number is None:
            raise UsageError(
                f"no register is called {name!r}",
                hint=f"registers: {', '.join(self.names)}",
                slug="bad-register",
            )
        return number


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """One architecture.

    :param name: what its plugin is called (``arm64``)
    :param registers: see there
    :param breakpoint: the trap instruction that is written over a probed one; as long as the
        shortest instruction at most
    :param insn_sizes: the lengths in bytes that instructions have, the shortest first; every
        instruction lies at a multiple of that
    :param slot_bytes: bytes of an XOL slot; the longest instruction fits (the kernel's MAX_UINSN_BYTES)
    :param elf_machine: e_machine of its ELF files, None: not known
    :param native: whether the native engine may do what the plugin's ``ignore``, ``optimize``,
        ``hijack_return_addr``, ``return_address`` and ``is_alive`` do: swap or read *registers.link*,
        take a frame to be gone once sp is above (unchained: at) its value at entry, and nothing else
    :param answer: instructions of a program that exits with status 42, for ``uprobe doctor``; b"": none
    """

    name: str
    registers: Registers
    breakpoint: bytes
    insn_sizes: tuple[int, ...]
    slot_bytes: int
    elf_machine: int | None = None
    native: bool = False
    answer: bytes = b""

    @property
    def alignment(self) -> int:
        """Every instruction lies at a multiple of so many bytes."""
        return self.insn_sizes[0]
