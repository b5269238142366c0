"""One placed address of the running program: all that Python keeps of it.

The glue's record (struct place in glue/places_table.h) is the other side's: what a hit needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from uprobe_core.native_backend import Core

if TYPE_CHECKING:
    from uprobe_linux.memory.address_space import AddressSpace

__all__ = ("How", "Place")


class How(Enum):
    """How the engine hears of arrivals."""

    NOT = "not at all"
    HOOK = "by a code hook"
    JUMP = "by a branch to a slot over the instruction"
    TRAP = "by a breakpoint over it"


@dataclass(slots=True, eq=False)
class Place:
    """A placed address.

    :param number: the glue's
    :param site: the engine's site, -1: returns are watched here and nothing else
    :param automatic: whether it may change between hook and slot
    :param core: how the core does the instruction, if a trap is reported to it
    :param visible: whether the program sees the breakpoint
    :ivar word: the instruction that is patched over
    :ivar entry: of its slot, 0: it has none
    """

    number: int
    address: int
    memory: AddressSpace
    site: int
    watched: bool
    automatic: bool = False
    calls_python: bool = False
    process: Any = None
    core: Core = Core.NOT
    visible: bool = False
    how: How = How.NOT
    word: int = 0
    entry: int = 0

    @property
    def patched(self) -> bool:
        """Whether fetches see something else than the program's instruction."""
        return self.how in (How.JUMP, How.TRAP)
