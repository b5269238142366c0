"""Instructions whose whole effect at EL0 is an exception: BRK, and what is undefined by definition.

HVC, SMC, HLT (outside halting debug) and DCPS are undefined at EL0 like UDF;
Linux makes SIGILL of it and SIGTRAP of BRK (arch/arm64/kernel/traps.c,
debug-monitors.c), with the instruction's own address.
"""

from __future__ import annotations

from uprobe_core.types import Access, FaultKind, MemoryFault

__all__ = ("exception_of",)


def exception_of(word: int, address: int) -> MemoryFault:
    """The exception that the instruction *word* at *address* raises.

    It travels as a MemoryFault, the only thing that a simulation may raise; the
    core turns it into the Fault of this kind, pc and address.
    """
    is_brk = word & 0xFFE0_001F == 0xD420_0000
    kind = FaultKind.BREAKPOINT if is_brk else FaultKind.UNDEFINED
    return MemoryFault(address, Access.FETCH, kind)
