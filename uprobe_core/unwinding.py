"""What unwinding needs to know of an architecture, and the rules that lead from a frame to its caller's.

An architecture plugin gives a :class:`FrameRules` (hook ``frame_rules``); the
unwinder (:mod:`uprobe_core.stacks`) knows DWARF and no architecture.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from uprobe_core.architecture import Registers
from uprobe_core.types import GuestMemory

__all__ = ("FrameRules", "Row", "Saved", "Spills", "Where")


class Where(enum.IntEnum):
    """Where a register of the caller is (DWARF 5, section 6.4.1)."""

    MEMORY = 1
    """In memory at CFA + value."""
    VALUE = 2
    """It is CFA + value."""
    REGISTER = 3
    """In the register number *value*."""
    UNDEFINED = 4
    """Nowhere; of the return address: there is no caller."""
    MEMORY_EXPRESSION = 5
    """In memory at what the DWARF expression *code* gives."""
    VALUE_EXPRESSION = 6
    """It is what the DWARF expression *code* gives."""


class Saved(NamedTuple):
    """Where one register of the caller is."""

    register: int
    where: Where
    value: int = 0
    code: bytes = b""


@dataclass(frozen=True, slots=True)
class Row:
    """How to get from a frame to its caller's, at one instruction.

    Registers that *saved* does not have are the caller's already; the stack
    pointer is then the CFA.

    :param base: CFA = register *base* + *offset*, unless there is an *expression* for it
    :param pc_from: the register whose value for the caller is where that goes on
    :param interrupted: the caller was interrupted there and made no call (a signal frame)
    """

    base: int
    offset: int
    saved: tuple[Saved, ...]
    pc_from: int
    interrupted: bool = False
    expression: bytes = b""

    @property
    def has_expressions(self) -> bool:
        """Whether a DWARF expression has to be computed."""
        return bool(self.expression) or any(each.code for each in self.saved)


class Spills(NamedTuple):
    """What a function's first instructions have done with its parameters; places count from SP at the entry.

    :param bases: where registers point to behind those instructions
    :param found: by place, what was put there: a register's value at the entry (Where.REGISTER; vector
        registers have DWARF's numbers), or what the caller has left at a place (Where.MEMORY)
    """

    bases: Mapping[int, int]
    found: Mapping[int, tuple[Where, int]]


@dataclass(frozen=True, slots=True, eq=False)
class FrameRules:
    """One architecture's part of unwinding.

    :param registers: of the architecture; those that unwind information speaks of have DWARF's numbers
    :param count: registers 0 to *count* - 1 are followed from frame to frame, SP and PC among them
    :param code_mask: the bits of a return address that are address and not signature
    :param signal_frame: ``(memory, pc)``: how to get to what a signal interrupted, if *pc* is what
        handlers return to, else None; raises MemoryFault where *pc* is not readable
    :param spills: where a function's instructions from its first on put what it was given; None: not told
    :param prologue: what a function's instructions from its first up to the PC (exclusive) have done to
        its frame, for functions without unwind information; None: that cannot be told
    """

    registers: Registers
    count: int
    code_mask: int
    signal_frame: Callable[[GuestMemory, int], Row | None]
    prologue: Callable[[bytes], Row | None]
    spills: Callable[[bytes], Spills] | None = None
