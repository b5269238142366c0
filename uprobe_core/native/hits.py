"""The hit objects that Python handlers get from the native engine: one each, used again for every hit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.consumer import Frame, Hit, ReturnHit
from uprobe_core.native.packing import value_decoder

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Task
    from uprobe_core.tracing.event import Event

__all__ = ("NativeHit", "NativeReturnHit", "make_hit")


class _Native(Hit):
    """What is the same for entries and returns: registers and arguments are read when they are asked for."""

    __slots__ = ()
    _engine: Any
    _current: Callable[[], Task]
    _decode: Any
    native_latency: int
    native_insns: int

    def attach(self, engine: Any, current: Callable[[], Task], event: Event, *, fetches: bool) -> None:
        """Who answers.  The engine sets address, probe_offset, cookie and _values before each call.

        :param fetches: whether the engine fetches arguments; else Python does
        """
        self._engine = engine
        self._current = current
        self.event = event
        self._decode = value_decoder(event.spec.args)[1] if fetches else None

    @property
    def task(self) -> Task:
        """The task that hit."""
        return self._current()

    @task.setter
    def task(self, task: Task) -> None:
        pass

    def reg(self, register: int | str) -> int:
        """A register by name or number."""
        if isinstance(register, str):
            register = self.registers.number(register)
        return int(self._engine.register(register))

    @property
    def jumps(self) -> int:
        """What tells whether the task has jumped (longjmp) since another hit; 0: that is not known."""
        return int(self._engine.jumps)

    @jumps.setter
    def jumps(self, jumps: int) -> None:
        pass

    @property
    def timestamp(self) -> int:
        """Nanoseconds on the run's clock, the same for all events of one hit."""
        return int(self._engine.now)

    @property
    def values(self) -> tuple[Any, ...]:
        """The event's fetched arguments in order, fetched once per hit on first use."""
        if self._values is None and self._decode is None:
            self._values = self.event.fetch(self) if self.event is not None else ()
        elif self._values is None and self._decode is not None:
            cells, text = self._engine.values()
            self._values = self._decode(cells + text, 0, len(cells))
        assert self._values is not None
        return self._values

    def _frames(self, depth: int) -> tuple[Frame, ...]:
        frames: tuple[Frame, ...]
        frames = self._engine.stack(depth) if self.unwind is None else self.unwind(self.task, depth)
        return frames


class NativeHit(_Native):
    """An entry."""

    __slots__ = ("_current", "_decode", "_engine")


class NativeReturnHit(_Native, ReturnHit):
    """A return."""

    __slots__ = ("_current", "_decode", "_engine", "native_insns", "native_latency")

    @property
    def latency_ns(self) -> int:
        """Nanoseconds since the returning function was entered."""
        return int(self.native_latency)

    @property
    def insns(self) -> int:
        """Instructions that the task has executed since then."""
        return int(self.native_insns)

    @property
    def own_ns(self) -> int:
        """Of the latency what was not in calls that the function made and that the run follows."""
        return max(self.latency_ns - int(self._engine.inside), 0)

    def once_ns(self, who: object) -> int:
        """Of the latency what *who* has not been told of at returns of the same function in the call."""
        return int(self._engine.tell(id(who)))


def make_hit(
    engine: Any,
    current: Callable[[], Task],
    event: Event,
    unwind: Callable[[Task, int], tuple[Frame, ...]] | None,
    registers: Registers,
    *,
    around: Callable[[], tuple[tuple[str, ...], ...]],
    at_return: bool,
    fetches: bool = True,
) -> Hit:
    """The hit object of one handler of *event*; see :meth:`_Native.attach`."""
    hit: Any = NativeReturnHit.__new__(NativeReturnHit) if at_return else NativeHit.__new__(NativeHit)
    hit.address = hit.probe_offset = 0
    hit.registers = registers
    hit.cookie = hit.entry = hit._values = None
    hit.unwind = unwind
    if at_return:
        hit.around = around
    hit.attach(engine, current, event, fetches=fetches)
    return hit  # type: ignore[no-any-return]
