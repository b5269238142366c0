"""The user stacks of one session: of which process, with which rules, and what was where when it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from uprobe_core.frame import Frame
from uprobe_core.stacks.images import Images
from uprobe_core.stacks.spaces import Names, Space
from uprobe_core.stacks.unwind import Hijacked, unwind
from uprobe_core.types import Mapping

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.unwinding import FrameRules

__all__ = ("UserStacks",)


class UserStacks:
    """Stacks and names of all processes of a session.

    :param files: finds the host file behind a guest path
    :param rules: of the architecture, None: a stack is its innermost frame
    :param hijacked: see there
    :param pc: the register that a task's place is read from
    """

    def __init__(self, files: GuestFiles, rules: FrameRules | None, hijacked: Hijacked, pc: int) -> None:
        self.images = Images(files, rules)
        self.rules = rules
        self._hijacked, self._pc = hijacked, pc
        self._spaces: dict[Process, Space] = {}

    def space(self, process: Process) -> Space:
        """The address space of *process*."""
        space = self._spaces.get(process)
        if space is None:
            space = self._spaces[process] = Space(process, self.images, self.rules)
        return space

    def stack(self, task: Task, depth: int, pc: int | None = None) -> tuple[Frame, ...]:
        """At most *depth* frames of *task*, innermost first.

        :param pc: where it is, None: at its PC
        """
        space = self.space(task.process)
        if self.rules is None:
            return (space.frame_at(task.get_reg(self._pc) if pc is None else pc),)[:depth]
        return unwind(task, space, self.rules, depth, self._hijacked, pc)

    def forget(self, process: Process) -> None:
        """Something of *process* was mapped or unmapped, or it has another program now."""
        self._spaces.pop(process, None)

    def name_of(self, address: int, last_seen: Iterable[Sequence[Mapping]]) -> str:
        """``symbol+0x8``, ``[file+0x12]``, or "" if nothing is or was there.

        A :class:`~uprobe_core.frame.Frame` knows its name.  Of another number: what is there
        now, else what was there last.

        :param last_seen: the mappings of address spaces that are gone, the last first
        """
        if isinstance(address, Frame):
            return address.name
        gone = (Names(self.images, mappings) for mappings in last_seen)
        for names in chain(list(self._spaces.values()), gone):
            if names.mapping_at(address) is not None:
                return names.frame_at(address).name
        return ""
