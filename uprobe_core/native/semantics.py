"""What of a native run is to be as a kernel does it, and what the core does with an instruction itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from uprobe_core.events.user_memory import USER_END
from uprobe_core.native_backend import Core
from uprobe_core.types import Mode, Verdict

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.probes.registry import Site

__all__ = ("Semantics", "core_of")


class Semantics(NamedTuple):
    """What a run wants done as a kernel does it.

    :param trap: the architecture's trap instruction
    :param known: the trampoline of a process, at the start of its XOL area; 0 if it has none yet
    :param trampoline: that of a task's process, made on first use
    :param hijack: whether return addresses are swapped; else they are watched
    :param depth: calls that may be pending for a task then, None: any number
    :param visible: whether the program sees breakpoints
    :param fetches: whether the engine may fetch arguments
    :param in_python: whether there are returns that the core follows for itself
    """

    trap: bytes
    known: Callable[[Process], int]
    trampoline: Callable[[Task], int]
    hijack: bool = False
    depth: int | None = None
    visible: bool = False
    fetches: Callable[[], bool] = lambda: True
    in_python: bool = False

    @property
    def user_end(self) -> int:
        """The end of the addresses that arguments may lie at, 0: all may."""
        return USER_END if self.visible else 0


def core_of(site: Site) -> Core:
    """How the dispatcher does the instruction at *site* when a trap is reported to it."""
    if site.mode is Mode.INLINE:
        return Core.NOT
    if site.analysis.special:
        return Core.ALONE
    return Core.SIMULATES if site.analysis.verdict is Verdict.SIMULATE else Core.STEPS
