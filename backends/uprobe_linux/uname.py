"""What the guest's kernel and machine say that they are; fixed, so that runs repeat."""

from __future__ import annotations

__all__ = ("DOMAIN", "HOSTNAME", "MEMORY_BYTES", "RELEASE", "VERSION")

HOSTNAME = "uprobe"
DOMAIN = "(none)"
RELEASE = "6.12.0"
VERSION = "#1 SMP PREEMPT_DYNAMIC"
MEMORY_BYTES = 8 << 30
