"""Which calling convention a function follows: that of C, or one that its language made up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from uprobe_core.architecture import Registers
from uprobe_core.debuginfo import calls, calls_go, calls_rust
from uprobe_core.debuginfo.dwarf import At, Language
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.given import borne_out, is_asked
from uprobe_core.debuginfo.operands import Operand, pointed
from uprobe_core.debuginfo.places import Gone, InMemory, Place, is_behind_a_pointer
from uprobe_core.debuginfo.types import Type
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import OpCode

__all__ = ("CHANGED", "Convention", "as_called", "convention_of", "is_changed", "is_given")

_RUST_VERSION = re.compile(r"rustc version (\d+)\.(\d+)")
_NO_CALL = 3
CHANGED = Gone("call changed by the compiler")
"""The place of what a function takes or gives that :func:`is_changed`."""
_MIXED_SINCE = (1, 79)
"""Since then variants that hold a number or a pointer share a register (rustc's layouts of enumerations)."""


_PARTS = (".resume", ".destroy", ".cleanup")
"""How clang calls the parts of a coroutine that are given its frame, and nothing that the source names."""
Shown = tuple[Type, Place, bool]


class Convention(NamedTuple):
    """Where a function finds and leaves values.

    :param parameters: where those of these types are at the first instruction
    :param results: where those of these types are behind the call, of a function with parameters of
        these; the last argument has what x8 held at the entry, as a place in memory
    :param keeps: whether it holds also where debug information says nothing of a parameter yet
    """

    parameters: Callable[[Sequence[Type], Registers], list[Place]]
    results: Callable[[Sequence[Type], Sequence[Type], Registers, Callable[[], Place]], list[Place]]
    keeps: bool = False


def convention_of(die: Die) -> Convention:
    """That of the function *die*."""
    root = die.unit.root
    producer, language = str(root.get(At.PRODUCER, "")), root.get(At.LANGUAGE)
    if language == Language.GO:
        how = calls_go.BY_REGISTERS if "regabi" in producer else calls_go.ON_THE_STACK
        return Convention(partial(calls_go.parameter_places, how), partial(calls_go.result_places, how))
    if language == Language.RUST and _is_mangled(die):
        version = _RUST_VERSION.search(producer)
        mixed = version is None or (int(version[1]), int(version[2])) >= _MIXED_SINCE
        return Convention(
            partial(calls_rust.parameter_places, mixed), partial(calls_rust.result_places, mixed), keeps=True
        )
    return Convention(calls.parameter_places, calls.result_places)


def is_changed(die: Die) -> bool:
    """Whether the compiler has changed how the function *die* is called (DW_CC_nocall).

    Parameters that nobody uses are gone, those behind them are elsewhere, and so may results be.
    """
    holder = die.find(At.CALLING_CONVENTION)
    return holder is not None and holder.get(At.CALLING_CONVENTION) == _NO_CALL


def is_given(die: Die, place: InMemory, registers: Registers) -> bool:
    """Whether an argument's register points to the parameter at *place* from the start of *die* on.

    A compiler that changed the calls is believed. Of other functions gcc names for all instructions the
    register that the first of them moves the pointer to.
    """
    first = place.ops[0]
    return first.code is OpCode.REG and first.param in registers.arguments and is_changed(die)


def as_called(frame: Frame, shown: Sequence[Shown], at: int) -> Place:
    """Where parameter *at* of the function of *frame* is at its first instruction; raises RefusedError.

    It is :data:`CHANGED` where that is not known.

    :param shown: each parameter with its place as debug information says it, which may be a later one
    """
    die, spills = frame.function.die, frame.spills
    if frame.symbol.endswith(_PARTS):
        return CHANGED
    behind = [is_behind_a_pointer(place) for _, place, _ in shown]
    types = [
        kind.pointer() if is_behind else kind for (kind, _, _), is_behind in zip(shown, behind, strict=True)
    ]
    places = convention_of(die).parameters(types, frame.rules.registers)
    if is_changed(die) and any(places[n] != shown[n][1] for n in range(at)):
        return CHANGED  # one of those before it may be gone
    if spills is not None and is_asked(die):
        seen = borne_out(places, [place for _, place, _ in shown], spills)
        if any(each not in (None, place) for each, place in zip(seen, places, strict=True)):
            places = [CHANGED if each is None else each for each in seen]
        places = [
            Gone() if late and each is None else place
            for each, place, (*_, late) in zip(seen, places, shown, strict=True)
        ]
    is_known = behind[at] and not isinstance(places[at], Gone)
    return pointed(Operand(types[at], places[at])).place if is_known else places[at]


def _is_mangled(die: Die) -> bool:
    """Whether the linker's name is one of Rust's: what C calls has a name of C."""
    holder = die.find(At.LINKAGE_NAME)
    name = "" if holder is None else str(holder.get(At.LINKAGE_NAME))
    return not name or name.startswith(("_ZN", "_R"))
