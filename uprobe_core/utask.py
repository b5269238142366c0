"""Per-task probe state, as far as an architecture's operations see and change it.

What only the core keeps of a task beside this is :mod:`uprobe_core.probes.utask`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.types import UtaskState

if TYPE_CHECKING:
    from uprobe_core.types import Analysis

__all__ = ("MAX_RETURN_DEPTH", "POISONED_FAULT_CODE", "ReturnInstance", "Utask")

MAX_RETURN_DEPTH = 64
"""Pending returns per task beyond which a kernel omits one (MAX_URETPROBE_DEPTH, uprobes.h)."""

POISONED_FAULT_CODE = 0xFFFF_FFFF_FFFF_FFFF
"""What pre_xol stores so that any change is seen (the kernel's UPROBE_INV_FAULT_CODE)."""


@dataclass(eq=False, slots=True)
class ReturnInstance:
    """One pending return of one task (the kernel's struct return_instance).

    :param function: the probed function's address
    :param sp: stack pointer at entry
    :param return_address: where the function will return to
    :param chained: its return address was the trampoline already: it shares its frame with the record below
    """

    function: int
    sp: int
    return_address: int
    chained: bool


@dataclass(eq=False, slots=True)
class Utask:
    """The probe state of one task (the kernel's struct uprobe_task).

    :param vaddr: the probed address of the hit under way; valid unless RUNNING
    :param xol_vaddr: the slot's address; valid from SSTEP on
    :param analysis: the verdict for the instruction at *vaddr*; valid while a hit is completed
    :param fault_code: poisoned by pre_xol, changed by a fault in the step
    :param saved_fault_code: what pre_xol replaced
    """

    state: UtaskState = UtaskState.RUNNING
    vaddr: int = 0
    xol_vaddr: int = 0
    analysis: Analysis | None = None
    fault_code: int = 0
    saved_fault_code: int = 0
