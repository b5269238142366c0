"""What a register held when a function was entered, from what its caller is known to have given.

A caller's call site says with which expressions, computed in the caller's
frame, it has set which registers (DWARF 5, section 3.4.2); those that it has
not said cannot be known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from uprobe_core.debuginfo.computing import Computation
from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.functions import Instance, function_at, instance_of
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.location import FIRST_VECTOR, VECTORS
from uprobe_core.debuginfo.tail_calls import SITES, chain_to, linked_name, may_jump_back, target_of
from uprobe_core.debuginfo.unit import Die
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.stacks.unwind import caller_registers
from uprobe_core.types import GoneError, MemoryFault

__all__ = ("Callers", "SourceOf")

_PARAMETERS = (Tag.CALL_SITE_PARAMETER, Tag.GNU_CALL_SITE_PARAMETER)
_DEEPEST = 8
_MASK = (1 << 64) - 1
SourceOf = Callable[[str], tuple[ElfImage, DebugInfo] | None]


class _Task:
    """A caller's registers."""

    def __init__(self, registers: list[int]) -> None:
        self._registers = registers

    def get_reg(self, number: int) -> int:
        """Register *number*."""
        return self._registers[number]

    def get_vec(self, number: int) -> int:
        """The low half of vector register *number*: calls keep no more."""
        return self._registers[FIRST_VECTOR + number]


def _registers(task: Any, count: int) -> list[int]:
    """All registers by DWARF's numbers."""
    general = [task.get_reg(number) for number in range(count)]
    vectors = [task.get_vec(number) & _MASK for number in range(VECTORS)]
    return [*general, *[0] * (FIRST_VECTOR - count), *vectors]


@dataclass(frozen=True, slots=True)
class _Above:
    """A caller's frame in place of a hit: what a computation reads."""

    task: _Task
    process: Any
    address: int
    probe_offset: int
    depth: int


class Callers:
    """Asks the callers of one run.

    :param source_of: the file that the guest calls so, and its debug information; None without that
    """

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of

    def entry_value(self, frame: Frame, hit: Any, place: bytes | Die) -> int:
        """What was at *place* (a register), or given for a parameter, when the function was entered.

        Raises GoneError if that is not known.
        """
        try:
            return self._entry_value(frame, hit, place)
        except (MemoryFault, *DAMAGED) as error:
            raise GoneError(str(error)) from None

    def _entry_value(self, frame: Frame, hit: Any, place: bytes | Die) -> int:
        depth, row, rules = getattr(hit, "depth", 0), frame.row, frame.rules
        if row is None or depth >= _DEEPEST:
            raise GoneError("the caller is not known")
        if may_jump_back(frame.function.die):
            raise GoneError("it may have been entered again by a jump from where it goes to")
        above = caller_registers(_registers(hit.task, rules.count), row, hit.process, rules)
        if above is None:
            raise GoneError("the caller is not known")
        address = above[row.pc_from] & rules.code_mask
        caller = self._frame_at(frame, hit.process, address)
        site = _site(caller)
        outer = _Above(_Task(above), hit.process, address, 0, depth + 1)
        if _calls(site, frame, caller, outer, hit.address - frame.vaddr + frame.function.entry, self):
            return self.computation(caller, _given(site, place))(outer)
        return self._through_jumps(frame, hit, (caller, site, outer), place)

    def _through_jumps(
        self, frame: Frame, hit: Any, call: tuple[Frame, Die, _Above], place: bytes | Die
    ) -> int:
        """The same where *call* has called a function that did not return, but went on to that of *frame*."""
        caller, site, outer = call
        image, info, _ = self._code_at(hit.process, hit.address)
        bias = hit.address - frame.vaddr
        at = partial(_linked_at, image, info)
        first = _first(site, caller, outer, bias, (info, at), self)
        jumps = None if first is None else chain_to(first, frame.function, at)
        if jumps is None or any(may_jump_back(each.function.die) for each in jumps):
            raise GoneError("the caller has called something else")

        def given(known: int, _hit: Any, wanted: bytes | Die) -> int:
            """What the call, or the jump before, has given to jump *known* of them."""
            if not known:
                return self.computation(caller, _given(site, wanted))(outer)
            jump = jumps[known - 1]
            there = Frame(image, jump.function, jump.address, 0, frame.rules)
            above = replace(outer, address=jump.address + bias)
            code = _given(jump.site, wanted)
            return Computation(code, there.machine, partial(given, known - 1), there.entry_at)(above)

        return given(len(jumps), None, place)

    def computation(self, frame: Frame, code: bytes) -> Computation:
        """*code* in *frame*."""
        return Computation(code, frame.machine, partial(self.entry_value, frame), frame.entry_at)

    def _code_at(self, process: Any, address: int) -> tuple[ElfImage, DebugInfo, int]:
        """The file that has the code at *address*, and that as the file numbers it."""
        mapping = next((m for m in process.mappings() if m.start <= address < m.end), None)
        source = None if mapping is None or mapping.file is None else self._source_of(mapping.path)
        if mapping is None or source is None:
            raise GoneError("nothing is known of the caller")
        image, info = source
        vaddr = image.offset_to_vaddr(address - mapping.start + mapping.offset)
        if vaddr is None:
            raise GoneError("nothing is known of the caller")
        return image, info, vaddr

    def _frame_at(self, frame: Frame, process: Any, address: int) -> Frame:
        """The frame of the function that is returned to at *address*."""
        image, info, vaddr = self._code_at(process, address)
        function = function_at(info, vaddr - 1)
        if function is None:
            raise GoneError("nothing is known of the caller")
        return Frame(image, function, vaddr, 0, frame.rules)


def _first(
    site: Die,
    caller: Frame,
    outer: _Above,
    bias: int,
    known: tuple[DebugInfo, Callable[[str], Instance | None]],
    callers: Callers,
) -> Instance | None:
    """The function that *site* calls, in the file that is *known* and *bias* from where it says it is."""
    origin, (info, at) = target_of(site), known
    if origin is not None:
        own = instance_of(origin) if origin.unit.info.whole is info else None
        return own or at(linked_name(origin))
    target = site.get(At.CALL_TARGET, site.get(At.GNU_CALL_SITE_TARGET))
    if not isinstance(target, bytes):
        return None
    return _beginning(info, callers.computation(caller, target)(outer) - bias)


def _linked_at(image: ElfImage, info: DebugInfo, name: str) -> Instance | None:
    """The function that the linker calls *name*, None if it has no code in *image*."""
    symbol = image.find(name)
    return None if symbol is None else _beginning(info, symbol.vaddr)


def _beginning(info: DebugInfo, vaddr: int) -> Instance | None:
    """The function that begins at *vaddr*."""
    found = function_at(info, vaddr)
    return found if found is not None and found.entry == vaddr else None


def _site(caller: Frame) -> Die:
    """The call that returns to where *caller* is."""
    unit = caller.function.die.unit
    for entry in unit.scan():
        if entry.tag in SITES:
            die = unit.die(entry.offset)
            if die.get(At.CALL_RETURN_PC, die.get(At.LOW_PC)) == caller.vaddr:
                return die
    raise GoneError("nothing is known of the call")


def _calls(site: Die, frame: Frame, caller: Frame, outer: _Above, entry: int, callers: Callers) -> bool:
    """Whether *site* calls the function of *frame*, which is at *entry*, and not one that jumps there."""
    origin = target_of(site)
    if origin is not None and origin.find(At.DECLARATION) is not None:
        return linked_name(origin) == linked_name(frame.function.die) or _is_called(
            frame, linked_name(origin)
        )
    if origin is not None:  # as debuggers have it: one that has no code of its own says nothing
        return bool(origin.get(At.LOW_PC) == frame.function.entry)
    target = site.get(At.CALL_TARGET, site.get(At.GNU_CALL_SITE_TARGET))
    return isinstance(target, bytes) and callers.computation(caller, target)(outer) == entry


def _is_called(frame: Frame, name: str) -> bool:
    """Whether the linker calls the function of *frame* so too."""
    symbol = frame.image.find(name)
    return symbol is not None and symbol.vaddr == frame.function.entry


def _given(site: Die, place: bytes | Die) -> bytes:
    """The expression for what a call puts at *place*, or gives for a parameter that is nowhere."""
    for child in site.children():
        if child.tag in _PARAMETERS and _is_for(child, place):
            value = child.get(At.CALL_VALUE, child.get(At.GNU_CALL_SITE_VALUE))
            if isinstance(value, bytes):
                return value
    raise GoneError("the caller does not say what it has given")


def _is_for(given: Die, place: bytes | Die) -> bool:
    if isinstance(place, bytes):
        return bool(given.get(At.LOCATION) == place)
    parameter = given.ref(At.CALL_PARAMETER) or given.ref(At.ABSTRACT_ORIGIN)
    origin = place.origin()
    wanted = {place.key} if origin is None else {place.key, origin.key}
    return parameter is not None and parameter.key in wanted
