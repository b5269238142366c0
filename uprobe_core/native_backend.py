"""The engine contract: who does what when probes run without Python per hit.

:class:`NativeBackend` is what a backend offers beside the ordinary contract if
its glue can bring a task's arrival at an address to an engine: an optional
attribute ``native`` of its machine.  :mod:`uprobe_core.native.sites` is the
core's side.  A backend without it, or an installation without the native
engine, runs everything through :mod:`uprobe_core.probes.dispatch`, with equal results.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.types import Mode

__all__ = ("Core", "NativeBackend", "abi", "include_dir")


class Core(Enum):
    """How the core does a displaced instruction, when the backend reports the trap to it."""

    NOT = "not at all"
    SIMULATES = "by computing its effect"
    STEPS = "by a step in the process's XOL area"
    ALONE = "by such a step, and nobody else may"


def include_dir() -> str:
    """The folder of the native engine's C headers, for ``-I``; "api.h" has all that a glue calls.

    A glue is compiled against them and not linked with anything: it gets the functions at run
    time, from the capsule that :meth:`NativeBackend.connect` is given, and has to refuse one
    whose ``abi`` is not the ``UP_ABI`` that it was compiled with.
    """
    return os.path.join(os.path.dirname(__file__), "native", "c")


@cache
def abi() -> int:
    """Number of the engine's layout that this version works with: UP_ABI of its headers."""
    with open(os.path.join(include_dir(), "numbers.h"), encoding="ascii") as file:
        text = file.read()
    found = re.search(r"\bUP_ABI = (\d+)", text)
    assert found is not None
    return int(found[1])


class NativeBackend(Protocol):
    """Places sites of a native engine in the running program.

    :ivar before_run: called before each run of guest code, when the engine knows no trampoline
    :ivar after_run: called after each run of guest code, outside of it
    """

    after_run: Callable[[], None] | None

    before_run: Callable[[], None] | None

    def connect(
        self, engine: Any, api: Any, who: Callable[[int, int, str], int], *, trap: bytes, visible: bool
    ) -> None:
        """Bring hits to *engine*.

        :param engine: its attribute ``pointer`` is what the functions of *api* take
        :param api: a capsule with the engine's functions (struct up_api in its header api.h)
        :param who: called with (pid, tid, comm) of each task before it runs with that
            name; answers the number that stands for it in records
        :param trap: the architecture's trap instruction, for places that are trapped
        :param visible: the program sees it there
        """
        ...

    def place(
        self, process: Process, address: int, site: int, mode: Mode, *, calls_python: bool, core: Core
    ) -> bool:
        """Have the engine's *site* hit before each execution at *address*.

        :param mode: AUTO: what is cheapest for as many places as there are
        :param calls_python: a handler in Python is called, which may move PC
        :param core: how the core does the displaced instruction, if the backend cannot
        :returns: False if that mode cannot do it here; nothing has changed then
        """
        ...

    def how(self, address: int) -> str:
        """How what was placed at *address* is reached, in a few words: "a code hook", say."""
        ...

    def remove(self, process: Process, address: int) -> None:
        """Undo place; pending returns are still seen."""
        ...

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) lost its mapping, and with it what was placed there."""
        ...

    def end_task(self, task: Any, reason: str) -> None:
        """*task* will not return from anything any more: "exec" or "exit"."""
        ...

    def inherit(self, task: Any, *, copies: bool) -> None:
        """*task* is new and goes on where the task that ran last was, its calls pending.

        :param copies: that one runs on as well; else this is a forked host process, and it is not here
        """
        ...

    def sample(self, site: int) -> None:
        """Have samples hit the engine's *site* instead of telling Target.on_sample, which has the number.

        For backends with Capabilities.samples; others need not have it.
        """
        ...

    def stop(self) -> None:
        """End the run of guest code soon; called from a handler that failed for good."""
        ...
