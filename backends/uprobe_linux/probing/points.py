"""What the core may do to one address space: breakpoints, inline hooks, watches, the XOL area, steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import PAGE, Cpu, Perm
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.probing.successors import successors

if TYPE_CHECKING:
    from uprobe_linux.kernel import Task

__all__ = ("LANDING", "XOL_ADDRESS", "Point", "ProbePoints")

LANDING = 0xD420_00A0.to_bytes(4, "little")
"""What follows a stepped instruction: a breakpoint of our own, which the runner knows by its address."""
XOL_ADDRESS = 0xF_FFFF_FFFF_F000
"""The last page of a 52-bit address space, where kernel/events/uprobes.c xol_add_vma puts it."""
SLOT = 4
STRIDE = 8
"""A slot and the landing breakpoint behind it."""


@dataclass(slots=True)
class Point:
    """What is at one address of one address space.

    :param inline: whether arrivals are reported (on_inline)
    :param watches: how many returns are awaited there (on_watch)
    :param landings: how many steps end there
    :param pauses: how many want the CPU to come back there
    :param original: what a breakpoint displaced that the program sees, None: there is none
    """

    inline: bool = False
    watches: int = 0
    landings: int = 0
    pauses: int = 0
    original: bytes | None = None

    @property
    def is_hooked(self) -> bool:
        """Whether a code hook is there."""
        return self.inline or self.watches > 0 or self.pauses > 0


_NOTHING = Point()


class ProbePoints:
    """Probe state of one address space.

    :param cpu: for code hooks
    """

    def __init__(self, memory: AddressSpace, cpu: Cpu) -> None:
        self._memory = memory
        self._cpu = cpu
        self._points: dict[int, Point] = {}
        self._visible = 0
        self._trap = b""
        self._xol = False

    @property
    def any(self) -> bool:
        """Whether the program can tell that it is probed (MMF_HAS_UPROBES): policy=kernel only."""
        return self._visible > 0

    def at(self, address: int) -> Point:
        """What is at *address*, to look at."""
        return self._points.get(address, _NOTHING)

    def _make(self, address: int) -> Point:
        return self._points.setdefault(address, Point())

    def _tidy(self, address: int) -> None:
        """Forget the point at *address* if nothing is there any more."""
        if self._points[address] == _NOTHING:
            del self._points[address]

    # --- breakpoints -----------------------------------------------------------------------------

    def insert_trap(self, address: int, insn: bytes, *, visible: bool) -> None:
        """Put *insn* over the instruction at *address*; idempotent. MemoryFault if nothing is mapped."""
        if not visible:
            self._memory.insert_trap(address, insn)
            return
        original = self._memory.read_any(address, len(insn))
        point = self._make(address)
        if point.original is None:
            point.original = original
            self._visible += 1
            self._trap = insn
        if original != insn:
            self._memory.poke(address, insn)

    def remove_trap(self, address: int) -> None:
        """Take the breakpoint out; nothing happens if there is none or its page is gone."""
        original = self._forget_original(address)
        if original is not None:
            try:
                self._memory.poke(address, original)
            except MemoryFault:
                return
        self._memory.code.remove(address)

    def _forget_original(self, address: int) -> bytes | None:
        original = self.at(address).original
        if original is not None:
            self._points[address].original = None
            self._visible -= 1
            self._tidy(address)
        return original

    def lift(self, start: int, end: int) -> None:
        """[start, end) moves away: breakpoints that the program sees, and has not written over, stay."""
        for address in [a for a, point in self._points.items() if start <= a < end and point.original]:
            if self._memory.read_any(address, len(self._trap)) == self._trap:
                self.remove_trap(address)

    def forget(self, start: int, end: int) -> None:
        """[start, end) is unmapped: breakpoints in it that the program sees are gone."""
        if self._visible:
            for address in [a for a in self._points if start <= a < end]:
                self._forget_original(address)

    # --- hooks -----------------------------------------------------------------------------------

    def insert_inline(self, address: int) -> None:
        """Report before each execution at *address*."""
        if not self.at(address).inline:
            self._make(address).inline = True
            self._hook(address)

    def remove_inline(self, address: int) -> None:
        """Undo insert_inline."""
        if self.at(address).inline:
            self._points[address].inline = False
            self._unhook(address)

    def insert_watch(self, address: int) -> None:
        """Like insert_inline, for returns; counted."""
        self._make(address).watches += 1
        self._hook(address)

    def remove_watch(self, address: int) -> None:
        """Undo one insert_watch."""
        if self.at(address).watches:
            self._points[address].watches -= 1
            self._unhook(address)

    def insert_pause(self, address: int) -> None:
        """Have the CPU come back before each execution at *address*; counted."""
        self._make(address).pauses += 1
        if self._points[address].pauses == 1:
            self._hook(address)

    def remove_pause(self, address: int) -> None:
        """Undo one insert_pause."""
        if self.at(address).pauses:
            self._points[address].pauses -= 1
            self._unhook(address)

    def _hook(self, address: int) -> None:
        self._cpu.add_hook(address)
        self._memory.forget_code(address)

    def _unhook(self, address: int) -> None:
        if not self._points[address].is_hooked:
            self._cpu.remove_hook(address)
            self._memory.forget_code(address)
        self._tidy(address)

    def clear(self) -> None:
        """The address space is about to go: take all hooks out, and what was translated with them."""
        for address, point in self._points.items():
            if point.is_hooked:
                self._cpu.remove_hook(address)
                self._memory.forget_code(address)
        self._points.clear()
        self._visible = 0

    # --- slots and steps ---------------------------------------------------------------------------

    def create_xol_area(self, trap: bytes) -> tuple[int, int, int]:
        """Map the XOL page, zeroes but for *trap* at its start as a kernel's is: (address, size, stride)."""
        if not self._xol:
            self._xol = True
            self._memory.map(XOL_ADDRESS, PAGE, Perm.EXEC, label="[uprobes]")
            self._memory.poke(XOL_ADDRESS, trap)
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
        if not self.at(address).landings:
            if self._memory.code.has(address) or address & 3:
                return not address & 3
            try:
                self._memory.insert_trap(address, LANDING)
            except MemoryFault:
                return True
        self._make(address).landings += 1
        return True

    def end_step(self, task: Task) -> None:
        """Take the step's landings out again."""
        for address in task.landings:
            if not self.at(address).landings:
                continue
            self._points[address].landings -= 1
            if not self._points[address].landings:
                self._memory.code.remove(address)
                self._tidy(address)
        task.landings = ()
