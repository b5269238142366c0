"""Events on indirect functions: placed where the program's own resolver says that the function is.

The address of an ``STT_GNU_IFUNC`` symbol (gABI extension; ELF for the Arm 64-bit Architecture,
R_AARCH64_IRELATIVE) is that of a resolver, which the dynamic loader or the start-up code of a static
program calls once for each reference and which returns the function.  Its returns are watched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import ProbeError
from uprobe_core.probes.registry import Uprobe, UprobeRegistry
from uprobe_core.types import FileId

if TYPE_CHECKING:
    from uprobe_core.consumer import ReturnHit
    from uprobe_core.tracing.event import EventProbe

__all__ = ("Indirect", "uprobes_of")


class Indirect:
    """Waits for what the resolver of *probe*'s function returns, and places *probe* there.

    :param soon: calls a function at the next safe point, before another instruction of the program
    :param refused: told of a place that cannot be probed
    """

    name = "indirect"

    def __init__(
        self,
        probe: EventProbe,
        registry: UprobeRegistry,
        soon: Callable[[Callable[[], None]], None],
        refused: Callable[[ProbeError], None],
    ) -> None:
        self._probe = probe
        self._registry = registry
        self._soon = soon
        self._refused = refused
        self._resolver: Uprobe | None = None
        self._placed: dict[tuple[FileId, int], Uprobe] = {}

    def place(self, file: FileId, resolver: int, path: str) -> None:
        """Watch the resolver at the offset *resolver* of *file*.  Raises ProbeError."""
        self._resolver = self._registry.register(file, resolver, self, path=path)

    def ret_handler(self, hit: ReturnHit) -> None:
        """A resolver has returned the function."""
        address = hit.task.get_reg(self._registry.arch.info.registers.result)
        if self._resolver is None:
            return
        spec = self._probe.spec
        address += spec.offset - (spec.resolver or 0)
        for mapping in hit.process.mappings():
            if mapping.file is not None and mapping.start <= address < mapping.end:
                offset = address - mapping.start + mapping.offset
                self._soon(partial(self._found, mapping.file, offset, mapping.path))

    def _found(self, file: FileId, offset: int, path: str) -> None:
        if self._resolver is None or (file, offset) in self._placed:
            return
        try:
            uprobe = self._registry.register(file, offset, self._probe, path=path)
        except ProbeError as error:
            self._refused(error)
        else:
            self._placed[file, offset] = uprobe

    def refresh(self, consumer: Any) -> None:
        """Look the optional methods of the probe up again, as Uprobe does."""
        for uprobe in self._placed.values():
            uprobe.refresh(consumer)

    def uprobes(self) -> list[Uprobe]:
        """Where the function is."""
        return list(self._placed.values())

    def take_out(self) -> None:
        """Undo place and all that came of it."""
        if self._resolver is not None:
            self._registry.unregister(self._resolver, self)
            self._resolver = None
        for uprobe in self._placed.values():
            self._registry.unregister(uprobe, self._probe)
        self._placed.clear()


def uprobes_of(probe: EventProbe) -> list[Uprobe]:
    """Where *probe* is placed."""
    if isinstance(probe.uprobe, Indirect):
        return probe.uprobe.uprobes()
    return [] if probe.uprobe is None else [probe.uprobe]
