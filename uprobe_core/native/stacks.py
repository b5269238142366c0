"""User stacks in the native engine: it walks, and asks here once for each address that it comes to.

Layouts are those of stacks.h.  Frames travel as numbers, which stay theirs for
the whole run, whatever is mapped later; so what was counted by stack keeps its names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.consumer import Frame
from uprobe_core.unwinding import Saved

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.stacks.spaces import Space
    from uprobe_core.unwinding import FrameRules

__all__ = ("NativeStacks", "StackSource")

_STEP = struct.Struct("<qIBBBB")
_SAVED = struct.Struct("<qBB6x")
_IS_CODE, _LEADS_ON, _INTERRUPTED, _ASKS = 1, 2, 4, 8
_MOST_FRAMES = 1 << 20
"""Places that are told apart on stacks in one run; all further ones are one, which says so by its name."""


class StackSource(Protocol):
    """Who knows the run's stacks (RunStacks)."""

    @property
    def rules(self) -> FrameRules | None:
        """Of the architecture."""
        ...

    def space(self, process: Process) -> Space:
        """The address space of *process*."""
        ...

    def stack(self, task: Task, depth: int, pc: int | None = None) -> tuple[Frame, ...]:
        """At most *depth* frames of *task*."""
        ...


class NativeStacks:
    """What the engine asks.

    :param current: the running task
    :ivar frames: by number
    """

    def __init__(self, engine: Any, source: StackSource, current: Callable[[], Task]) -> None:
        self._engine, self._source, self._current = engine, source, current
        self.frames: list[Frame] = []
        self._numbers: dict[Frame, int] = {}
        rules = source.rules
        self.works = rules is not None and rules.registers.width == 8
        if rules is not None and self.works:
            engine.set_stacks(
                self._find, self._walk, self.frames, rules.count, rules.registers.sp, rules.code_mask
            )

    def forget(self) -> None:
        """Something was mapped or unmapped."""
        self._engine.forget_steps()

    def _number(self, frame: Frame) -> int:
        number = self._numbers.get(frame)
        if number is None:
            if len(self.frames) > _MOST_FRAMES:
                return _MOST_FRAMES
            if len(self.frames) == _MOST_FRAMES:
                frame = Frame(0, f"(one of more than {_MOST_FRAMES} places)")
            number = self._numbers[frame] = len(self.frames)
            self.frames.append(frame)
        return number

    def _find(self, pc: int, after_call: int) -> bytes:
        """What is known of *pc*, packed."""
        frame, row, is_code = self._source.space(self._current().process).step(pc, after_call)
        number, flags = self._number(frame) + 1, _IS_CODE if is_code else 0
        if row is None:
            return _STEP.pack(0, number, 0, 0, 0, flags)
        flags |= _LEADS_ON | (_INTERRUPTED if row.interrupted else 0)
        if row.has_expressions:
            return _STEP.pack(0, number, 0, 0, 0, flags | _ASKS)
        saved = b"".join(map(_packed, row.saved))
        return _STEP.pack(row.offset, number, row.base, row.pc_from, len(row.saved), flags) + saved

    def _walk(self, pc: int, depth: int) -> bytes:
        """The numbers of the frames of a stack that takes expressions."""
        frames = self._source.stack(self._current(), depth, pc)
        return struct.pack(f"<{len(frames)}I", *map(self._number, frames))


def _packed(saved: Saved) -> bytes:
    return _SAVED.pack(saved.value, saved.register, saved.where)
