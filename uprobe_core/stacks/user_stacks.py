"""The user stacks of one session: of which process, with which rules, and what was where when it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.frame import Frame
from uprobe_core.stacks.images import Images
from uprobe_core.stacks.spaces import Names, Space
from uprobe_core.stacks.unwind import Hijacked, unwind
from uprobe_core.types import Mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self._last_seen: dict[Process, Names] = {}

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

    # --- what happens to address spaces -------------------------------------------------------------

    def changed(self, process: Process) -> None:
        """Something of *process* was mapped or unmapped."""
        space = self._spaces.get(process)
        if space is not None:
            space.changed()

    def ends(self, process: Process, mappings: Sequence[Mapping]) -> None:
        """A task of *process* ends, or executes another program; *mappings* are those that it had."""
        if mappings:
            self._last_seen.pop(process, None)
            self._last_seen[process] = Names(self.images, mappings)

    def forget(self, process: Process) -> None:
        """*process* has another program now."""
        self._spaces.pop(process, None)

    def name_of(self, address: int) -> str:
        """``symbol+0x8``, ``[file+0x12]``, or "" if nothing is or was there.

        A :class:`~uprobe_core.frame.Frame` knows its name.  Of another number: what is there
        now, else what was there last.
        """
        if isinstance(address, Frame):
            return address.name
        for names in (*self._spaces.values(), *reversed(self._last_seen.values())):
            if names.mapping_at(address) is not None:
                return names.frame_at(address).name
        return ""
