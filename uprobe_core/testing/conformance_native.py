"""Probes of the native engine under the conformance harness: placed by the backend's glue, counted in C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uprobe_core.native_backend import Core
from uprobe_core.types import MemoryFault, Mode

if TYPE_CHECKING:
    from uprobe_core.architecture import Architecture
    from uprobe_core.backend import Machine, Process
    from uprobe_core.native_backend import NativeBackend
    from uprobe_core.probes.registry import Site, Space

__all__ = ("NativeProbes", "Way", "native_probes", "ways")

_RING = 4 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """How probes are placed: in which mode, and by the core or by the native engine's glue."""

    mode: Mode
    native: bool = False

    def __str__(self) -> str:
        return f"native {self.mode.value}" if self.native else self.mode.value


class NativeProbes:
    """What the registry asks to take sites over; each counts its hits and does nothing else."""

    def __init__(self, backend: NativeBackend, info: Architecture) -> None:
        from uprobe_core.native import _engine
        from uprobe_core.native.packing import pack_program, pack_registers

        self._backend = backend
        self._engine: Any = _engine.Engine(MemoryFault, _RING, pack_registers(info.registers))
        backend.connect(
            self._engine, _engine.API, lambda _pid, _tid, _comm: 0, trap=info.breakpoint, visible=False
        )
        nothing = pack_program(())
        assert nothing is not None
        program, room = nothing
        self._probe = self._engine.add_probe(program, room, program, 0, False)
        self._engine.set_probe(self._probe, True, False, (), (), b"", b"")
        self._sites: dict[int, int] = {}
        self.mode: Mode | None = None
        """How sites are placed; None: not natively."""

    def take_hits(self) -> int:
        """Hits since the last time."""
        hits: int = self._engine.take_probe(self._probe)[0]
        return hits

    def install(self, space: Space, site: Site) -> bool:
        """Place *site* natively if the mode can do it; special instructions run by a hook or not natively."""
        if self.mode is None or (site.analysis.special and self.mode is not Mode.INLINE):
            return False
        number = self._sites.get(site.vaddr)
        if number is None:
            number = self._sites[site.vaddr] = self._engine.add_site(site.vaddr, site.offset, [self._probe])
        return self._backend.place(
            space.process, site.vaddr, number, self.mode, calls_python=False, core=Core.NOT
        )

    def how(self, site: Site) -> str:
        """How *site* is reached."""
        return self._backend.how(site.vaddr)

    def remove(self, space: Space, site: Site) -> None:
        """Take *site* out."""
        self._backend.remove(space.process, site.vaddr)

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) lost its mapping."""
        self._backend.forget(process, start, end)


def native_probes(machine: Machine, info: Architecture) -> NativeProbes | None:
    """The native probes of *machine*, None if it has none or the engine is not installed."""
    backend = getattr(machine, "native", None)
    if backend is None:
        return None
    try:
        return NativeProbes(backend, info)
    except ImportError:
        return None


def ways(modes: frozenset[Mode], *, native: bool) -> list[Way]:
    """All ways that a backend with *modes* offers."""
    plain = [Way(mode) for mode in (Mode.TRAP, Mode.INLINE) if mode in modes]
    if not native:
        return plain
    return plain + [Way(mode, True) for mode in (Mode.TRAP, Mode.JUMP, Mode.INLINE) if mode in modes]
