"""The system calls, one module per subject, registered in :mod:`uprobe_linux.syscalls.table`."""

from __future__ import annotations
