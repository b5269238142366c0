"""What expressions of one place count from: the frame there, by unwind information."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import unsigned
from uprobe_core.debuginfo.functions import Instance, Variable
from uprobe_core.debuginfo.location import FIRST_VECTOR, VECTORS, Machine, Value, place_of
from uprobe_core.debuginfo.places import Const, Gone, InMemory, IsValue, Place, load
from uprobe_core.debuginfo.ranges import ALWAYS, Located, locations_of
from uprobe_core.debuginfo.types import type_of
from uprobe_core.debuginfo.unit import Die, Unit
from uprobe_core.event_model import FetchOp, OpCode
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.stacks.cfi import CallFrames
from uprobe_core.unwinding import FrameRules, Row, Spills

__all__ = ("Frame",)

_LONGEST = 1024
"""Bytes of a function's first instructions that are looked at."""


class Frame:
    """The frame of *function* at *vaddr* of the program file.

    :param offset: of the probed instruction in the file; *vaddr* is its address
    :param rules: how the architecture unwinds
    """

    def __init__(
        self, image: ElfImage, function: Instance, vaddr: int, offset: int, rules: FrameRules
    ) -> None:
        self.image, self.function, self.vaddr = image, function, vaddr
        self._offset, self.rules = offset, rules

    @cached_property
    def machine(self) -> Machine:
        """For :func:`~uprobe_core.debuginfo.location.place_of`."""
        return self._machine(self.function.die.unit)

    def _machine(self, unit: Unit) -> Machine:
        """For expressions of *unit*, which may be another than the function's."""

        def indexed(index: int) -> int:
            width = unit.address_size
            return unsigned(unit.sections.addr, unit.addr_base + index * width, width)

        return Machine(self.rules.count, lambda: self._base, self._cfa, self.static, indexed)

    def slot(self, variable: Variable) -> tuple[Place, bool]:
        """Where a parameter is here, else where it is first; and whether it is only there later."""
        place, listed = self.place(variable), self.located(variable.die)[0]
        if not isinstance(place, Gone) or not listed:
            return place, False
        return place_of(min(listed)[2], self._machine(variable.die.unit)), True

    @cached_property
    def spills(self) -> Spills | None:
        """What the function's first instructions do with what it was given; None where nothing tells."""
        low, high = self.function.ranges[0]
        if self.rules.spills is None or low != self.function.entry:
            return None
        return self.rules.spills(self.image.read(low, min(high - low, _LONGEST)))

    @property
    def symbol(self) -> str:
        """What the linker calls the function, "" if it has no name for it."""
        found = self.image.symbol_at(self.function.entry)
        return "" if found is None else found[0].name

    @property
    def is_cut(self) -> bool:
        """Whether the function is a copy of gcc's (ISRA): its result may be gone, if no caller used it."""
        return ".isra." in self.symbol

    def static(self, vaddr: int) -> FetchOp:
        """What loads the address that the file calls *vaddr*."""
        return FetchOp(OpCode.FOFFS, vaddr - self.vaddr + self._offset)

    def static_of(self, name: str) -> FetchOp | None:
        """What loads the address of the data that the linker calls *name*; None if there is none."""
        found = self.image.find_object(name)
        return None if found is None else self.static(found.vaddr)

    def entry_at(self, offset: int) -> Die:
        """The entry at *offset* of the function's unit."""
        unit = self.function.die.unit
        return unit.die(unit.header.offset + offset)

    @cached_property
    def row(self) -> Row | None:
        """How to get from here to the caller's frame; vector registers that it keeps are among them."""
        tries = [(self.image, False), (self.image, True), (self.function.die.unit.sections.elf, True)]
        rules = replace(self.rules, count=FIRST_VECTOR + VECTORS)
        rows = (CallFrames(elf, rules, debug=debug).row_at(self.vaddr) for elf, debug in tries)
        return next((row for row in rows if row is not None), None)

    def _cfa(self) -> Value:
        row = self.row
        if row is None or row.expression:
            raise ValueError("there is no unwind information for this place")
        return Value(load(OpCode.REG, row.base), row.offset)

    @cached_property
    def _base(self) -> Place:
        """What DW_OP_fbreg counts from."""
        die: Die = self.function.die
        for start, end, code in locations_of(die, At.FRAME_BASE):
            if start <= self.vaddr < end:
                found = place_of(code, self.machine)
                # a frame base that is computed is the base; one in a register is what that holds
                return IsValue(found.ops, found.offset) if isinstance(found, InMemory) else found
        raise ValueError("the function has no frame base here")

    def located(self, die: Die) -> tuple[list[Located], Located | None]:
        """Everything that is said of where the object of *die* is, and what of it holds here."""
        found = locations_of(die)
        return found, next((each for each in found if each[0] <= self.vaddr < each[1]), None)

    def place(self, variable: Variable) -> Place:
        """Where *variable* is here; raises ValueError or IndexError for what is damaged."""
        die = variable.die
        listed, here = self.located(die)
        if here is not None:
            return place_of(here[2], self._machine(die.unit))
        if not listed:
            holder = die.find(At.CONST_VALUE)
            value = None if holder is None else holder.get(At.CONST_VALUE)
            if value is not None:
                return constant(value, type_of(die).size)
            origin = die.origin()
            if origin is not None and At.LOCATION in origin.attributes:
                return self.place(Variable(variable.name, origin, variable.scope))
        return Gone()

    def is_listed(self, die: Die) -> bool:
        """Whether its place changes from instruction to instruction, as the compiler says it."""
        return any((start, end) != ALWAYS for start, end, _ in locations_of(die))


def constant(value: int | bytes | str, size: int) -> Place:
    """The place of what is nowhere but known."""
    if isinstance(value, bytes):
        return Const(value)
    if isinstance(value, str):
        return Const(value.encode("utf-8", "surrogateescape") + b"\0")
    width = size if size in (1, 2, 4, 8, 16) else 8
    return Const((value & (1 << 8 * width) - 1).to_bytes(width, "little"))
