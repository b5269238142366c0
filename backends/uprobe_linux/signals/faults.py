"""From an instruction that did not complete to the signal that Linux makes of it.

Facts: arch/arm64/mm/fault.c (fault_info, do_bad_area, do_page_fault),
arch/arm64/kernel/traps.c (force_signal_inject), debug-monitors.c
(send_user_sigtrap); ESR_EL1 fields: Arm ARM D17.2.37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.types import Access, Fault, FaultKind
from uprobe_linux.signals.numbers import (
    BUS_ADRALN,
    BUS_ADRERR,
    ILL_ILLOPC,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    TRAP_BRKPT,
    Sig,
)
from uprobe_linux.signals.sending import raise_fault
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from uprobe_linux.kernel import Task

__all__ = ("UPROBE_BRK", "deliver_fault", "syndrome")

UPROBE_BRK = 0xD420_00A0
"""``BRK #5``."""

_SIGNALS = {
    FaultKind.MAPERR: (Sig.SEGV, SEGV_MAPERR),
    FaultKind.ACCERR: (Sig.SEGV, SEGV_ACCERR),
    FaultKind.ADRERR: (Sig.BUS, BUS_ADRERR),
    FaultKind.ALIGN: (Sig.BUS, BUS_ADRALN),
    FaultKind.UNDEFINED: (Sig.ILL, ILL_ILLOPC),
    FaultKind.BREAKPOINT: (Sig.TRAP, TRAP_BRKPT),
}
_EC_FETCH, _EC_PC_ALIGN, _EC_DATA, _IL, _WRITE = 0x20 << 26, 0x22 << 26, 0x24 << 26, 1 << 25, 1 << 6
_STATUS = {
    FaultKind.MAPERR: 0b000111,
    FaultKind.ACCERR: 0b001111,
    FaultKind.ADRERR: 0b000111,
    FaultKind.ALIGN: 0b100001,
}
"""Fault status codes: translation and permission fault at level 3, alignment fault."""


def syndrome(fault: Fault) -> int:
    """The ESR_EL1 that a CPU would report for a memory *fault*; 0 for the others."""
    if fault.kind not in _STATUS:
        return 0
    if fault.access is Access.FETCH:
        return _EC_PC_ALIGN | _IL if fault.kind is FaultKind.ALIGN else _EC_FETCH | _IL | _STATUS[fault.kind]
    return _EC_DATA | _IL | _STATUS[fault.kind] | (_WRITE if fault.access is Access.WRITE else 0)


def deliver_fault(task: Task, fault: Fault, *, of_probes: bool = False) -> None:
    """Queue the signal for *fault*, and remember it for the frames (thread.fault_address).

    :param of_probes: a ``BRK #5`` that nobody owns, in a process where the kernel has uprobes: its
        handle_swbp then sends a SIGTRAP without an address
    """
    signo, code = _SIGNALS[fault.kind]
    if fault.kind is not FaultKind.BREAKPOINT:
        in_memory = fault.kind is not FaultKind.UNDEFINED and fault.access is not None
        misaligned_pc = fault.kind is FaultKind.ALIGN and fault.access is Access.FETCH
        task.signals.fault_address = fault.address if in_memory and not misaligned_pc else 0
        task.signals.esr = syndrome(fault)
    elif of_probes:
        raise_fault(task, SigInfo(signo, SI_KERNEL))
        return
    raise_fault(task, SigInfo.from_fault(signo, code, fault.address))
