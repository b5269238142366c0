"""Per-task probe state: all of it, and nowhere else.

A :class:`Utask` is created at a task's first hit and freed at exec and exit.
It is part of the contracts because arch operations act on it; the machinery
that drives it is :mod:`uprobe_core.probes.dispatch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uprobe_core.types import UtaskState

if TYPE_CHECKING:
    from uprobe_core.probes.registry import Link, Site, Uprobe

__all__ = ("MAX_RETURN_DEPTH", "POISONED_FAULT_CODE", "ReturnInstance", "Utask")

MAX_RETURN_DEPTH = 64
"""Pending returns per task beyond which a kernel omits one (MAX_URETPROBE_DEPTH, uprobes.h)."""

POISONED_FAULT_CODE = 0xFFFF_FFFF_FFFF_FFFF
"""What pre_xol stores so that any change is seen (UPROBE_INV_FAULT_CODE, arm64 uprobes.c)."""


@dataclass(eq=False, slots=True)
class ReturnInstance:
    """One pending return of one task (the kernel's struct return_instance).

    :param uprobe: the probed function's uprobe
    :param function: its address
    :param sp: stack pointer at entry
    :param return_address: where the function will return to
    :param chained: LR was already the trampoline: shares its frame with the record below
    :param sessions: the consumers to call, each with the cookie its entry handler left
    """

    uprobe: Uprobe
    function: int
    sp: int
    return_address: int
    chained: bool
    sessions: list[tuple[Link, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Utask:
    """The probe state of one task (the kernel's struct uprobe_task).

    :param vaddr: the probed address of the hit under way; valid unless RUNNING
    :param xol_vaddr: the slot's address; valid from SSTEP on
    :param active: the site being stepped or waiting for a slot, None while RUNNING
    :param fault_code: poisoned by pre_xol, changed by a fault in the step
    :param saved_fault_code: what pre_xol replaced
    :param returns: pending returns, newest last
    :param suspects: pending returns whose frames look abandoned; a stack that is switched
        back to revives them (only where returns are watched)
    """

    state: UtaskState = UtaskState.RUNNING
    vaddr: int = 0
    xol_vaddr: int = 0
    active: Site | None = None
    fault_code: int = 0
    saved_fault_code: int = 0
    returns: list[ReturnInstance] = field(default_factory=list)
    suspects: list[ReturnInstance] = field(default_factory=list)
