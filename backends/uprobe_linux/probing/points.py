"""What the core may do to one address space: breakpoints, inline hooks, watches, the XOL area, steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import PAGE, Cpu, Perm
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.probing.successors import successors

if TYPE_CHECKING:
    from uprobe_linux.kernel import Task

__all__ = ("BREAKPOINT", "XOL_ADDRESS", "ProbePoints")

BREAKPOINT = 0xD420_00A0.to_bytes(4, "little")
"""BRK #5 (arch/arm64/include/asm/brk-imm.h UPROBES_BRK_IMM)."""
XOL_ADDRESS = 0xF_FFFF_FFFF_F000
"""The last page of a 52-bit address space, where kernel/events/uprobes.c xol_add_vma puts it."""
SLOT = 4
STRIDE = 8
"""A slot and the landing breakpoint behind it."""


class ProbePoints:
    """Probe state of one address space.

    :param cpu: for code hooks
    """

    def __init__(self, memory: AddressSpace, cpu: Cpu) -> None:
        self._memory = memory
        self._cpu = cpu
        self.inlines: set[int] = set()
        self.watches: dict[int, int] = {}
        self._visible: dict[int, bytes] = {}
        """Breakpoints in the data view: address -> what they displaced."""
        self._landings: dict[int, int] = {}
        self.xol = False

    @property
    def any(self) -> bool:
        """Whether the program can tell that it is probed (MMF_HAS_UPROBES): policy=kernel only."""
        return bool(self._visible)

    # --- breakpoints -----------------------------------------------------------------------------

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """Put *insn* over the instruction at *address*; idempotent. MemoryFault if nothing is mapped."""
        if visible:
            original = self._memory.read_any(address, len(insn))
            self._visible.setdefault(address, original)
            if original != insn:
                self._memory.poke(address, insn)
        else:
            self._memory.insert_trap(address, insn)

    def remove_trap(self, address: int) -> None:
        """Take the breakpoint out; nothing happens if there is none or its page is gone."""
        original = self._visible.pop(address, None)
        if original is not None:
            try:
                self._memory.poke(address, original)
            except MemoryFault:
                return
        self._memory.code.remove(address)

    def forget(self, start: int, end: int) -> None:
        """[start, end) is unmapped: visible breakpoints and hooks in it are gone."""
        for address in [a for a in self._visible if start <= a < end]:
            del self._visible[address]

    # --- hooks -----------------------------------------------------------------------------------

    def insert_inline(self, address: int) -> None:
        """Report before each execution at *address*."""
        if address not in self.inlines:
            self.inlines.add(address)
            self._hook(address)

    def remove_inline(self, address: int) -> None:
        """Undo insert_inline."""
        if address in self.inlines:
            self.inlines.remove(address)
            self._unhook(address)

    def insert_watch(self, address: int) -> None:
        """Like insert_inline, for returns; counted."""
        self.watches[address] = self.watches.get(address, 0) + 1
        self._hook(address)

    def remove_watch(self, address: int) -> None:
        """Undo one insert_watch."""
        count = self.watches.get(address, 0)
        if count > 1:
            self.watches[address] = count - 1
        elif count:
            del self.watches[address]
            self._unhook(address)

    def _hook(self, address: int) -> None:
        self._cpu.add_hook(address)
        self._memory.forget_code(address)

    def _unhook(self, address: int) -> None:
        if address not in self.inlines and address not in self.watches:
            self._cpu.remove_hook(address)
            self._memory.forget_code(address)

    def clear(self) -> None:
        """The address space is about to go: take all hooks out, and what was translated with them."""
        for address in {*self.inlines, *self.watches}:
            self._cpu.remove_hook(address)
            self._memory.forget_code(address)
        self.inlines.clear()
        self.watches.clear()
        self._visible.clear()
        self._landings.clear()

    # --- slots and steps ---------------------------------------------------------------------------

    def create_xol_area(self) -> tuple[int, int, int]:
        """Map the XOL page, zeroes but for the trampoline as a kernel's is: (address, size, stride)."""
        if not self.xol:
            self.xol = True
            self._memory.map(XOL_ADDRESS, PAGE, Perm.READ | Perm.EXEC, label="[uprobes]")
            self._memory.poke(XOL_ADDRESS, BREAKPOINT)
        return XOL_ADDRESS, PAGE, STRIDE

    def begin_step(self, task: Task) -> None:
        """Make sure that a trap follows the instruction at *task*'s PC, wherever it goes."""
        pc = task.get_reg(32)
        if XOL_ADDRESS <= pc < XOL_ADDRESS + PAGE:
            task.landings = (pc + SLOT,)
            return
        places = successors(self._memory.fetch_word(pc), pc, task.get_reg)
        task.landings = tuple(place for place in places if self._land(place))

    def _land(self, address: int) -> bool:
        """Put a landing breakpoint there, unless one is; False for a place that PC cannot reach."""
        count = self._landings.get(address, 0)
        if not count:
            if self._memory.code.has(address) or address & 3:
                return not address & 3
            try:
                self._memory.insert_trap(address, BREAKPOINT)
            except MemoryFault:
                return True
        self._landings[address] = count + 1
        return True

    def end_step(self, task: Task) -> None:
        """Take the step's landings out again."""
        for address in task.landings:
            count = self._landings.get(address, 0)
            if count > 1:
                self._landings[address] = count - 1
            elif count:
                del self._landings[address]
                self._memory.code.remove(address)
        task.landings = ()
