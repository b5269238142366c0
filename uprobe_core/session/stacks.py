"""The user stacks of a run: made when the first is asked for, told of what is mapped and of what ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.target import CRASHES, ExitStatus
from uprobe_core.types import Mapping

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.consumer import Frame
    from uprobe_core.stacks.spaces import Space
    from uprobe_core.stacks.user_stacks import UserStacks
    from uprobe_core.unwinding import FrameRules

__all__ = ("RunStacks",)

_FRAMES_OF_A_CRASH = 16
"""Between abort() and what failed a runtime has some eight of its own (C++, Rust)."""


class RunStacks:
    """Stacks and names of the processes of one run.

    :param real_return: where hijacked returns really go, see stacks.unwind.Hijacked
    """

    def __init__(
        self, files: GuestFiles, arch: ArchOps, real_return: Callable[[Task, int, int], int | None]
    ) -> None:
        self._files, self._arch, self._real_return = files, arch, real_return
        self._last_seen: dict[Process, Sequence[Mapping]] = {}
        self._crash: tuple[Frame, ...] = ()

    @cached_property
    def rules(self) -> FrameRules | None:
        """Of the architecture."""
        return self._arch.frame_rules()

    @cached_property
    def _stacks(self) -> UserStacks:
        from uprobe_core.stacks.user_stacks import UserStacks

        return UserStacks(self._files, self.rules, self._real_return, self._arch.info.registers.pc)

    def stack(self, task: Task, depth: int, pc: int | None = None) -> tuple[Frame, ...]:
        """At most *depth* frames of *task*, innermost first.

        :param pc: where it is, None: at its PC
        """
        return self._stacks.stack(task, depth, pc)

    def frame(self, task: Task, address: int) -> Frame:
        """The frame of *task* at *address*."""
        return self.space(task.process).step(address, 0).frame

    def space(self, process: Process) -> Space:
        """The address space of *process*."""
        return self._stacks.space(process)

    def name_of(self, address: int) -> str:
        """What is at *address*, or was there last; "" if nothing was."""
        return self._stacks.name_of(address, reversed(self._last_seen.values()))

    # --- what happens to address spaces -------------------------------------------------------------

    def changed(self, process: Process) -> None:
        """Something of *process* was mapped or unmapped."""
        if "_stacks" in self.__dict__:
            self._stacks.forget(process)

    def killed(self, task: Task, signal: int) -> None:
        """*signal* is about to end the process of *task*: if it is one of a crash, its stack is kept."""
        if signal in CRASHES:
            self._crash = self.stack(task, _FRAMES_OF_A_CRASH)

    def completed(self, status: ExitStatus) -> ExitStatus:
        """*status* with the stack of the crash that it tells of."""
        is_its = status.signal and self._crash and self._crash[0] == status.pc
        return replace(status, stack=self._crash) if is_its else status

    def ends(self, task: Task, kind: str) -> None:
        """*task* executes another program ("exec") or ends ("exit")."""
        process = task.process
        if kind == "exec" or task.tid == process.pid:
            self._last_seen.pop(process, None)
            self._last_seen[process] = process.mappings()
            self.changed(process)
