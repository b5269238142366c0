"""The backend ``gdbremote``: probes on whatever speaks the GDB remote serial protocol.

That is qemu-user with ``-g``, qemu-system, gdbserver on a board, OpenOCD.  The
core decides what a hit means, as everywhere; this package sets breakpoints
through the stub, runs displaced instructions in slots of the program's memory,
and tells the core of stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.backend import Capabilities
from uprobe_core.types import Mode, Returns

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, ProbeHandler, Target

__all__ = ("GdbRemoteBackend",)


class GdbRemoteBackend:
    """Entry point ``gdbremote`` of ``uprobe.backends``."""

    name = "gdbremote"
    capabilities = Capabilities(
        modes=frozenset({Mode.TRAP, Mode.INLINE}),
        returns=frozenset({Returns.WATCH, Returns.HIJACK}),
        threads=True,
        invisible_traps=True,
        visible_traps=False,
        faults=False,
        architectures=frozenset({"arm64"}),
        targets=frozenset({"command", "address", "pid"}),
        clocks=frozenset({"host"}),
        seed=False,
        limits=frozenset({"seconds"}),
        sandbox=False,
        binds=False,
        mappings=False,
        mappings_hint="what it maps itself, past its loader, is seen over gdbserver with --target"
        " ...,mappings=all, and by backend unicorn",
        unreadable=False,  # gdbserver reads it with ptrace, which may; qemu up to 9 does not
        code_writes=False,
        steps_before_calls=False,
        native=False,
        inline_at_most=None,
    )

    def open(self, target: Target, handler: ProbeHandler) -> Machine:
        """Connect, or start an emulator and connect; raises TargetError, BackendError and UsageError."""
        from uprobe_gdbremote.opening import open_target

        return open_target(target, handler, self.capabilities)
