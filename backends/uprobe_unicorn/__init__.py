"""The default backend: user-mode Linux on the Unicorn CPU emulator.

Importing this package imports neither Unicorn nor the Linux personality;
:meth:`UnicornBackend.open` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.backend import Capabilities
from uprobe_core.types import Mode, Returns

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, ProbeHandler, Target

__all__ = ("UnicornBackend",)


class UnicornBackend:
    """Entry point ``unicorn`` of ``uprobe.backends``."""

    name = "unicorn"
    capabilities = Capabilities(
        modes=frozenset({Mode.TRAP, Mode.INLINE}),
        returns=frozenset({Returns.WATCH, Returns.HIJACK}),
        threads=True,
        processes=True,
        invisible_traps=True,
    )

    def open(self, target: Target, handler: ProbeHandler) -> Machine:
        """Load the program; raises TargetError and BackendError."""
        from uprobe_linux.arena import Arena
        from uprobe_linux.machine import LinuxMachine

        from uprobe_unicorn.cpu import UnicornCpu

        arena = Arena()
        machine = LinuxMachine(target, handler, UnicornCpu(arena), arena, self.capabilities)
        try:
            machine.load()
        except BaseException:
            machine.close()
            raise
        return machine
