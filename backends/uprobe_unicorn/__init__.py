"""The default backend: user-mode Linux on the Unicorn CPU emulator.

Importing this package imports neither Unicorn nor the Linux personality;
:meth:`UnicornBackend.open` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from uprobe_core.backend import Capabilities, Fact
from uprobe_core.late_imports import have_ready
from uprobe_core.types import Mode, Returns

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, ProbeHandler, Target
    from uprobe_core.testing.conformance_driver import Driver

__all__ = ("UnicornBackend",)


def _has_glue() -> bool:
    """Whether jumps can be had: they need hooks in C."""
    from importlib.util import find_spec

    return find_spec("uprobe_unicorn.native._glue") is not None


class UnicornBackend:
    """Entry point ``unicorn`` of ``uprobe.backends``."""

    name = "unicorn"

    @property
    def capabilities(self) -> Capabilities:
        """What can be done with this installation and environment."""
        return Capabilities(
            modes=frozenset({Mode.TRAP, Mode.JUMP, Mode.INLINE} if _has_glue() else {Mode.TRAP, Mode.INLINE}),
            returns=frozenset({Returns.WATCH, Returns.HIJACK}),
            threads=True,
            processes=True,
            invisible_traps=True,
            work=True,
            samples=True,
            code=True,
            confined=True,
        )

    def load(self) -> None:
        """Import what a run needs, while all of the host's files can still be written (Python caches)."""
        import_module("uprobe_linux.machine")
        from uprobe_linux.syscalls import table

        from uprobe_unicorn.native.cpu import native_refusal

        if not native_refusal(None):  # places are imported with the glue, which an installation may lack
            import_module("uprobe_unicorn.native.places")
        table.load()
        have_ready(("uprobe_linux.pausing.pauses", "uprobe_linux.scheduling.memory_meter"))

    def open(self, target: Target, handler: ProbeHandler) -> Machine:
        """Load the program; raises TargetError and BackendError."""
        from uprobe_linux.machine import LinuxMachine
        from uprobe_linux.memory.arena import Arena

        from uprobe_unicorn.cpu import UnicornCpu
        from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

        arena = Arena()
        cpu = UnicornCpu(arena) if native_refusal(target.native) else NativeCpu(arena)
        machine = LinuxMachine(target, handler, cpu, arena, self.capabilities)
        if isinstance(cpu, NativeCpu):
            from uprobe_unicorn.native.places import NativePlaces

            machine.native = NativePlaces(machine, cpu)
        try:
            machine.load()
        except BaseException:
            machine.close()
            raise
        return machine

    def facts(self) -> Iterator[Fact]:
        """Whether translated code takes shortcuts (native/tcg), and why not."""
        from uprobe_linux.memory.arena import Arena

        from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

        why = native_refusal()
        hint = "" if "asks for" in why else "it is built where pip finds a C compiler and Python's headers"
        if not why:
            cpu = NativeCpu(Arena())
            why = cpu.glue.no_shortcuts
            cpu.close()
            hint = "unicorn's own wheel for x86-64 Linux has them; all works without, at half the speed"
        yield Fact("shortcuts", not why, why or "translated code takes them", hint if why else "")

    def conformance_driver(self, machine: Machine) -> Driver:
        """Drive *machine*, opened but not run, one instruction at a time (uprobe_core.testing)."""
        from uprobe_linux.machine import LinuxMachine

        from uprobe_unicorn.conformance import UnicornDriver

        assert isinstance(machine, LinuxMachine)
        return UnicornDriver(machine)
