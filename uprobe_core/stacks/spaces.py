"""Address spaces as stacks need them: what is mapped where, and the step from each address to its caller.

Mappings are listed once and again only when they have changed; a step is found
once for each address.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from uprobe_core.frame import Frame
from uprobe_core.image.demangling import demangle
from uprobe_core.stacks.images import Image, Images
from uprobe_core.types import Mapping, MemoryFault
from uprobe_core.unwinding import FrameRules, Row, Saved, Where

if TYPE_CHECKING:
    from uprobe_core.backend import Process

__all__ = ("Names", "Space", "Step")

_MOST_STEPS = 1 << 16
"""Addresses whose steps are kept, before all are forgotten."""
_VDSO = "[vdso]"


class Step(NamedTuple):
    """A frame and how to get to its caller's.

    :param row: None: it has no caller that can be found
    :param is_code: whether there is code at all; else it is no frame, unless it is the innermost one
    """

    frame: Frame
    row: Row | None
    is_code: bool


class Names:
    """What is where: a list of mappings, and the files behind them."""

    def __init__(self, images: Images, mappings: Sequence[Mapping] = ()) -> None:
        self._images = images
        self._interned: dict[Frame, Frame] = {}
        self._set(mappings)

    def _set(self, mappings: Sequence[Mapping]) -> None:
        self._mappings = list(mappings)
        self._starts = [mapping.start for mapping in self._mappings]

    def mapping_at(self, address: int) -> Mapping | None:
        """The mapping that holds *address*."""
        at = bisect_right(self._starts, address) - 1
        return self._mappings[at] if at >= 0 and address < self._mappings[at].end else None

    def place_of(self, mapping: Mapping | None, address: int) -> tuple[Image | None, int]:
        """The file behind *mapping* and the address in its own numbering; (None, 0) without one."""
        image = self._images[mapping.path] if mapping is not None and mapping.file is not None else None
        vaddr = image.vaddr_of(address - mapping.start + mapping.offset) if image and mapping else None
        return (None, 0) if vaddr is None else (image, vaddr)

    def frame_at(self, address: int, after_call: int = 0) -> Frame:
        """The frame at *address*, which is named by the call before it if it is a return address."""
        mapping = self.mapping_at(address - after_call)
        image, vaddr = self.place_of(mapping, address - after_call)
        found = image.symbol_at(vaddr) if image is not None else None
        if found is not None and mapping is not None:
            symbol, distance = found
            frame = Frame(address, demangle(symbol.name), distance + after_call, mapping.path)
        elif mapping is not None:
            frame = Frame(address, "", address - mapping.start + mapping.offset, mapping.path or "anon")
        else:
            frame = Frame(address)
        return self._interned.setdefault(frame, frame)

    def sized_name(self, address: int) -> str:
        """``symbol+0xOFF/0xSIZE`` as the kernel's %pS prints it, else the bare address."""
        image, vaddr = self.place_of(self.mapping_at(address), address)
        found = image.symbol_at(vaddr) if image is not None else None
        if found is None:
            return f"{address:#x}"
        symbol, distance = found
        return f"{demangle(symbol.name)}+{distance:#x}/{symbol.size:#x}"


class Space(Names):
    """The address space of *process*."""

    def __init__(self, process: Process, images: Images, rules: FrameRules | None) -> None:
        super().__init__(images)
        self._process, self._rules = process, rules
        self._steps: dict[tuple[int, int], Step] = {}

    def mapping_at(self, address: int) -> Mapping | None:
        """The mapping that holds *address*; what is not known, or is no code, is looked at again."""
        found = super().mapping_at(address)
        if found is None or not found.executable:
            self._set(self._process.mappings())
            found = super().mapping_at(address)
        return found

    def step(self, pc: int, after_call: int) -> Step:
        """The frame at *pc*, which is a return address if *after_call* is 1, and the way to its caller."""
        found = self._steps.get((pc, after_call))
        if found is None:
            if len(self._steps) >= _MOST_STEPS:
                self._steps.clear()
            found = self._steps[pc, after_call] = self._find(pc, after_call)
        return found

    def _find(self, pc: int, after_call: int) -> Step:
        mapping = self.mapping_at(pc - after_call)
        if self._rules is None:
            return Step(self.frame_at(pc, after_call), None, mapping is not None and mapping.executable)
        if mapping is None or not mapping.executable:  # its caller is in the link register
            row = None if after_call else self._rules.prologue(b"")
            return Step(self.frame_at(pc, after_call), row, False)
        row = self._signal_row(pc)
        if row is not None:
            return Step(self.frame_at(pc), row, True)
        image, vaddr = self.place_of(mapping, pc - after_call)
        if image is not None:
            row = image.row_at(vaddr + after_call, after_call)
        elif mapping.path == _VDSO and not after_call:
            row = self._rules.prologue(b"")  # its functions are leaves
        frame = self.frame_at(pc, after_call)
        return Step(frame, row or _frame_record(self._rules), True)

    def _signal_row(self, pc: int) -> Row | None:
        try:
            return self._rules.signal_frame(self._process, pc) if self._rules is not None else None
        except MemoryFault:
            return None


def _frame_record(rules: FrameRules) -> Row | None:
    """By frame pointer: the record that it points to, above which the caller's stack begins."""
    registers = rules.registers
    if registers.frame is None:
        return None
    width, link = registers.width, registers.pc if registers.link is None else registers.link
    saved = Saved(registers.frame, Where.MEMORY, -2 * width), Saved(link, Where.MEMORY, -width)
    return Row(registers.frame, 2 * width, saved, link)
