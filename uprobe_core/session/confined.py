"""Raising the outer wall around a session's process, where that is right.

What a process gives up it cannot have again.  The command line's process is there
for one run and confines itself; one that uses a Session is the caller's, so it
has to be asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from uprobe_core.backend import Backend
from uprobe_core.errors import TargetError
from uprobe_core.run_setup import RunSetup

if TYPE_CHECKING:
    from uprobe_core.confinement.control_group import ControlGroup
    from uprobe_core.confinement.wall import Wall

__all__ = ("Confinement",)

_LATER = ("uprobe_core.session.interrupts", "uprobe_core.native.session")
"""What a run imports when it begins; the second with the native engine alone."""


class Confinement:
    """The wall of one run, if it has one.

    :param warn: told once which layers are missing
    """

    def __init__(self, setup: RunSetup, warn: Callable[[str], None]) -> None:
        self._setup, self._warn = setup, warn
        self._wall: Wall | None = None
        self._group: ControlGroup | None = None

    @property
    def isolated(self) -> bool:
        """Whether the process has a network to itself."""
        return self._wall is not None and self._wall.isolated

    @property
    def memory_stat(self) -> int | None:
        """A descriptor of the memory.stat of the run's own control group, if it has one."""
        return None if self._group is None else self._group.statistics

    def begin(
        self, backend: Backend, before: Callable[[], None] | None = None, *, native: bool = False
    ) -> None:
        """The first step; TargetError if it must be there and is not.

        :param before: called when everything is imported and nothing is given up
        :param native: whether the run is to have the native engine
        """
        if self._setup.sandbox == "off" or self._wall is not None:
            return
        if not backend.capabilities.confined:
            self._refuse_elsewhere()
            return
        from uprobe_core.confinement.wall import Wall

        load = getattr(backend, "load", None)
        if load is not None:
            load()
        for name in _LATER[: 2 if native else 1]:
            import_module(name)
        if before is not None:
            before()
        self._enter_group()
        self._wall = Wall.of(self._setup)
        self._wall.begin()
        self._check()

    def _enter_group(self) -> None:
        """Have the host's kernel count memory, where it can."""
        if self._setup.limits.memory is None:
            return
        from uprobe_core.confinement.control_group import ControlGroup, own_group

        with contextlib.suppress(OSError):  # uprobe doctor says why; the run counts by itself
            self._group = ControlGroup(own_group(), self._setup.limits.memory)

    def _refuse_elsewhere(self) -> None:
        """The program does not run in this process."""
        if self._setup.sandbox == "require":
            raise TargetError(
                f"backend {self._setup.backend!r} runs the program elsewhere, outside of any sandbox of ours",
                exit_status=125,
                slug="no-sandbox",
                hint="--sandbox=off, if what it connects to confines the program itself",
            )

    def _check(self) -> None:
        if self._wall is not None and self._setup.sandbox == "require":
            self._wall.check()

    def finish(self, folders: Iterable[str]) -> None:
        """The second step, before the first instruction: what is missing is warned of, or raised.

        :param folders: what the run has made for itself
        """
        if self._wall is None:
            return
        self._wall.finish(folders)
        self._check()
        if self._wall.missing:
            self._warn(f"{self._wall.describe_missing()} (see uprobe doctor; --sandbox=off asks for none)")
