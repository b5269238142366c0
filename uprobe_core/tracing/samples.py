"""Samples as events: ``i:10000``, a hit at every so many-th instruction of a process.

The hit is where that instruction is, before it is executed; its stack is that of the
block of code that the instruction is in, which no call and no return divides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.consumer import Frame, Hit
from uprobe_core.event_model import EventSpec
from uprobe_core.events.line import EventLine as Words
from uprobe_core.setup_words import SAMPLES

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Task
    from uprobe_core.tracing.event import EventProbe

__all__ = ("SAMPLE", "Samples", "sample_spec")

SAMPLE = "i"
"""Of an :class:`~uprobe_core.event_model.EventSpec` that is a sample after each *offset* instructions."""


def sample_spec(text: str) -> EventSpec:
    """The event of a sample after each *text* instructions; raises SpecError for what is no such number."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 62:
        raise Words.split(f"i:{text}").refusal(
            f"i:{text} is no distance between samples", hint="i:10000 is one after each 10000 instructions"
        )
    group, _, name = SAMPLES.partition("/")
    return EventSpec(SAMPLE, group, name, "", int(text), line=f"i:{text}", location=f"every {int(text)}")


class _SampleHit(Hit):
    """A sample: the task's registers are those of the start of a block that *address* is in."""

    __slots__ = ()

    def reg(self, register: int | str) -> int:
        """A register by name or number; its PC is that of the sample."""
        number = self.registers.number(register) if isinstance(register, str) else register
        return self.address if number == self.registers.pc else super().reg(number)


class Samples:
    """Told of each sample of a run; makes hits of the event *probe*.

    :param unwind: frames of a task's stack from an address on
    :param frame: the frame at an address of a task's process
    """

    def __init__(
        self,
        probe: EventProbe,
        registers: Registers,
        unwind: Callable[[Task, int, int | None], tuple[Frame, ...]],
        frame: Callable[[Task, int], Frame],
    ) -> None:
        self.every = probe.spec.offset
        self._probe, self._registers, self._unwind, self._frame = probe, registers, unwind, frame

    def sampled(self, task: Task, block: int, address: int) -> None:
        """*task* is about to execute the instruction at *address*, which is in *block*."""
        probe = self._probe
        event: Any = probe.event
        if not event.enabled:
            return
        hit = _SampleHit(task, address, 0, self._registers)

        def stack(task: Task, depth: int) -> tuple[Frame, ...]:
            frames = self._unwind(task, depth, block)
            return (self._frame(task, address), *frames[1:])

        hit.unwind = stack
        probe.tally("hits")
        event.entered(hit)
