"""Calls that belong to no other subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_linux.syscalls.table import syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask


@syscall("restart_syscall")
def sys_restart_syscall(task: LinuxTask) -> int:
    """Calls are restarted by making them again; nobody returns to this one (kernel/signal.c)."""
    return -4
