"""What a register held when a function was entered, from what its caller is known to have given.

A caller's call site says with which expressions, computed in the caller's
frame, it has set which registers (DWARF 5, section 3.4.2); those that it has
not said cannot be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from uprobe_core.debuginfo.computing import Computation
from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.functions import function_at, instance_of
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.location import FIRST_VECTOR, VECTORS
from uprobe_core.debuginfo.unit import Die
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.stacks.unwind import caller_registers
from uprobe_core.types import GoneError, MemoryFault

__all__ = ("Callers", "SourceOf")

_SITES = (Tag.CALL_SITE, Tag.GNU_CALL_SITE)
_PARAMETERS = (Tag.CALL_SITE_PARAMETER, Tag.GNU_CALL_SITE_PARAMETER)
_DEEPEST = 8
_MASK = (1 << 64) - 1
_MOST_TARGETS = 64
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
        if _may_jump_back(frame.function.die):
            raise GoneError("it may have been entered again by a jump from where it goes to")
        above = caller_registers(_registers(hit.task, rules.count), row, hit.process, rules)
        if above is None:
            raise GoneError("the caller is not known")
        address = above[row.pc_from] & rules.code_mask
        caller = self._frame_at(frame, hit.process, address)
        site = _site(caller)
        outer = _Above(_Task(above), hit.process, address, 0, depth + 1)
        if not _calls(site, frame, caller, outer, hit.address - frame.vaddr + frame.function.entry, self):
            raise GoneError("the caller has called something else")
        return self.computation(caller, _given(site, place))(outer)

    def computation(self, frame: Frame, code: bytes) -> Computation:
        """*code* in *frame*."""
        return Computation(code, frame.machine, partial(self.entry_value, frame), frame.entry_at)

    def _frame_at(self, frame: Frame, process: Any, address: int) -> Frame:
        """The frame of the function that is returned to at *address*."""
        mapping = next((m for m in process.mappings() if m.start <= address < m.end), None)
        source = None if mapping is None or mapping.file is None else self._source_of(mapping.path)
        if mapping is None or source is None:
            raise GoneError("nothing is known of the caller")
        image, info = source
        vaddr = image.offset_to_vaddr(address - mapping.start + mapping.offset)
        function = None if vaddr is None else function_at(info, vaddr - 1)
        if function is None or vaddr is None:
            raise GoneError("nothing is known of the caller")
        return Frame(image, function, vaddr, 0, frame.rules)


def _may_jump_back(die: Die) -> bool:
    """Whether the function may be entered again without a return: by a tail call, its own or of others.


    What the caller has given is not what it was entered with then.
    """
    known = die.unit.info.jumps_back
    if die.offset not in known:
        known[die.offset] = _finds_itself(die)
    return known[die.offset]


def _finds_itself(die: Die) -> bool:
    todo, seen = [die], {die.key}
    while todo:
        for target in _tail_calls(todo.pop()):
            if target is None or target.key == die.key or len(seen) > _MOST_TARGETS:
                return True  # to a computed address, to itself, or too far to follow
            if target.key not in seen:
                seen.add(target.key)
                todo.append(target)
    return False


def _tail_calls(die: Die) -> Iterator[Die | None]:
    """The functions with code that *die* ends in a jump to; None for one that is computed."""
    unit = die.unit
    end = unit.behind(die)
    for entry in unit.scan():
        if entry.tag in _SITES and die.offset < entry.offset < end:
            site = unit.die(entry.offset)
            if site.get(At.CALL_TAIL_CALL) or site.get(At.GNU_TAIL_CALL):
                origin = site.ref(At.CALL_ORIGIN) or site.ref(At.ABSTRACT_ORIGIN)
                yield from [None] if origin is None else _with_code(origin)


def _with_code(origin: Die) -> list[Die]:
    """The function that *origin* declares, where it has code in this file; [] if it is elsewhere."""
    holder = origin.find(At.LINKAGE_NAME)
    name = origin.named() if holder is None else str(holder.get(At.LINKAGE_NAME))
    if instance_of(origin) is not None:
        return [origin]
    family = origin.unit.info
    found = family.named(name, frozenset({Tag.SUBPROGRAM}))
    found += [each for die in found for each in family.referring(die, frozenset({Tag.SUBPROGRAM}))]
    return [each for each in found if instance_of(each) is not None]


def _site(caller: Frame) -> Die:
    """The call that returns to where *caller* is."""
    unit = caller.function.die.unit
    for entry in unit.scan():
        if entry.tag in _SITES:
            die = unit.die(entry.offset)
            if die.get(At.CALL_RETURN_PC, die.get(At.LOW_PC)) == caller.vaddr:
                return die
    raise GoneError("nothing is known of the call")


def _calls(site: Die, frame: Frame, caller: Frame, outer: _Above, entry: int, callers: Callers) -> bool:
    """Whether *site* calls the function of *frame*, which is at *entry*, and not one that jumps there."""
    origin = site.ref(At.CALL_ORIGIN) or site.ref(At.ABSTRACT_ORIGIN)
    if origin is not None and origin.find(At.DECLARATION) is not None:
        return _name(origin) == _name(frame.function.die) or _is_called(frame, _name(origin))
    if origin is not None:  # as debuggers have it: one that has no code of its own says nothing
        return bool(origin.get(At.LOW_PC) == frame.function.entry)
    target = site.get(At.CALL_TARGET, site.get(At.GNU_CALL_SITE_TARGET))
    return isinstance(target, bytes) and callers.computation(caller, target)(outer) == entry


def _name(die: Die) -> str:
    """What the linker calls a function, else the source."""
    found = die.find(At.LINKAGE_NAME)
    return str(found.get(At.LINKAGE_NAME)) if found is not None else die.named()


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
