"""User-mode Linux for CPU emulators: loader, memory, system calls, threads, signals, processes.

It sees a :class:`~uprobe_linux.cpu.Cpu` and knows no emulator.
"""

from __future__ import annotations
