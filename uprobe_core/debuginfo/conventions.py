"""Which calling convention a function follows: that of C, or one that its language made up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from uprobe_core.architecture import Registers
from uprobe_core.debuginfo import calls, calls_go, calls_rust
from uprobe_core.debuginfo.dwarf import At, Language
from uprobe_core.debuginfo.places import Place
from uprobe_core.debuginfo.types import Type
from uprobe_core.debuginfo.unit import Die

__all__ = ("Convention", "convention_of")

_RUST_VERSION = re.compile(r"rustc version (\d+)\.(\d+)")
_MIXED_SINCE = (1, 79)
"""Since then variants that hold a number or a pointer share a register (rustc's layouts of enumerations)."""


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


def _is_mangled(die: Die) -> bool:
    """Whether the linker's name is one of Rust's: what C calls has a name of C."""
    holder = die.find(At.LINKAGE_NAME)
    name = "" if holder is None else str(holder.get(At.LINKAGE_NAME))
    return not name or name.startswith(("_ZN", "_R"))
