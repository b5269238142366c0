"""Names for addresses when the program has gone: what its address spaces looked like at their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uprobe_core.types import Mapping

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.stacks.symbols import Images

__all__ = ("LastSeen",)


class _Gone:
    """An address space that is no more, as far as names need it."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._mappings = mappings

    def mappings(self) -> Sequence[Mapping]:
        """What was mapped."""
        return self._mappings


class LastSeen:
    """The last look of each address space of the session's own process, newest asked first."""

    def __init__(self) -> None:
        self._spaces: dict[Process, _Gone] = {}

    def note(self, process: Process) -> None:
        """A task of *process* ends, or executes another program."""
        mappings = list(process.mappings())
        if mappings:
            self._spaces.pop(process, None)
            self._spaces[process] = _Gone(mappings)

    def name(self, images: Images, address: int) -> str:
        """``symbol+0x8``, ``[file+0x12]``, or "" if nothing was there."""
        for space in reversed(self._spaces.values()):
            if images.mapping_at(space, address) is not None:  # type: ignore[arg-type]  # it has what is asked for
                return images.name(space, address)  # type: ignore[arg-type]  # as above
        return ""
