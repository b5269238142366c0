"""What an end means to others: the robust futexes of a thread that holds them, the terminal of a session.

Facts: kernel/futex/core.c (exit_robust_list, handle_futex_death).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine, Task
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("leave_terminal", "lose_terminals", "release_robust_list")

FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_TID_MASK = 0x8000_0000, 0x4000_0000, 0x3FFF_FFFF
ROBUST_LIST_LIMIT = 2048


def release_robust_list(task: Task) -> None:
    """Mark the robust futexes that *task* holds as OWNER_DIED waking a waiter each (exit_robust_list)."""
    head, memory = task.robust_list, task.process.memory
    if not head:
        return
    with contextlib.suppress(MemoryFault):
        offset, pending = memory.read_u64(head + 8), memory.read_u64(head + 16)
        entry = memory.read_u64(head)
        for _ in range(ROBUST_LIST_LIMIT):
            if entry & ~1 == head:
                break
            following = memory.read_u64(entry & ~1)
            if entry & ~1 != pending & ~1:
                _release_robust(task, (entry & ~1) + offset)
            entry = following
        if pending:
            _release_robust(task, (pending & ~1) + offset)


def _release_robust(task: Task, address: int) -> None:
    address &= (1 << 64) - 1
    memory, family = task.process.memory, task.machine.family
    value = memory.read_u32(address)
    if value & FUTEX_TID_MASK == task.tid:
        memory.write_u32(address, value & FUTEX_WAITERS | FUTEX_OWNER_DIED)
        if value & FUTEX_WAITERS:
            family.wake_futex(task, address, 1)


def leave_terminal(machine: Machine, entry: ProcessEntry) -> None:
    """Process *entry* has ended: if it led a session, that has no terminal any more."""
    if entry.sid == entry.pid and machine.has_ptys:
        machine.ptys.jobs.leader_ended(entry)


def lose_terminals(machine: Machine) -> None:
    """The host has ended a process, and closed what it held."""
    if machine.has_ptys:
        machine.ptys.survey()
