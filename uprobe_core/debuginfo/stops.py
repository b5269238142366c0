"""Where debuggers stop: behind a function's prologue, and once in each block (gdb: symtab.c, linespec.c)."""

from __future__ import annotations

from collections.abc import Sequence

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.functions import Instance, function_at, scopes_at
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.lines import program_of
from uprobe_core.debuginfo.unit import Die, Unit

__all__ = ("behind_prologue", "stops_of")

_LOCATION = frozenset({At.LOCATION})
_VARIABLES = frozenset({Tag.PARAMETER, Tag.VARIABLE})
_LISTS = frozenset({0x06, 0x07, 0x17, 0x22})
"""How location lists are referred to: data4 and data8 (DWARF 3), sec_offset, loclistx."""


def behind_prologue(function: Instance) -> int:
    """Where the prologue of *function* ends: the second place that has a line.

    Of optimised code of GCC it is the entry: its locations hold from the first instruction on.
    """
    program = program_of(function.die.unit)
    if program is None or function.inlined or _is_valid_from_entry(function.die.unit):
        return function.entry
    rows = [row for row in program.rows if row.line and not row.ends and function.covers(row.address)]
    if sum(row.address == function.entry for row in rows) > 1:
        return function.entry  # two lines at one place say that there is no prologue
    return min(
        (row.address for row in rows if row.address > function.entry and row.is_stmt), default=function.entry
    )


def _is_valid_from_entry(unit: Unit) -> bool:
    is_gnu = str(unit.root.get(At.PRODUCER, "")).startswith("GNU ")
    return is_gnu and bool(unit.forms(_LOCATION, _VARIABLES) & _LISTS)


def stops_of(info: DebugInfo, addresses: Sequence[int]) -> list[int]:
    """Of the places *addresses* of one line, in order, those to stop at: one in each block, behind prologues.

    A block is a function, what is inlined into one, or what has variables of its own in them.
    """
    seen: set[tuple[int, int]] = set()
    found: list[int] = []
    for address in addresses:
        function = function_at(info, address)
        if function is None:
            found.append(address)
            continue
        block = _block(function, address)
        if block not in seen:
            seen.add(block)
            found.append(_moved(function, address))
    return sorted(set(found))


def _block(function: Instance, address: int) -> tuple[int, int]:
    """What tells the innermost block around *address* from others."""
    scopes = reversed(scopes_at(function, address))
    own = (die for die in scopes if die.tag != Tag.LEXICAL_BLOCK or _has_variables(die))
    return next(own, function.die).key


def _has_variables(block: Die) -> bool:
    return any(child.tag in _VARIABLES for child in block.children())


def _moved(function: Instance, address: int) -> int:
    end = behind_prologue(function)
    return end if function.entry <= address < end else address
