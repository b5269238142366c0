"""What a native engine calls Python for: handlers, pairs of them with a cookie, news of lost calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import ConsumerStopped, OverdueError
from uprobe_core.native import _engine
from uprobe_core.native.hits import make_hit
from uprobe_core.native.plan import Chain
from uprobe_core.tracing.event import check_vote
from uprobe_core.types import HandlerVote

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Task
    from uprobe_core.consumer import Frame
    from uprobe_core.native.plan import ActionPlan, EventPlan
    from uprobe_core.tracing.event import Event

__all__ = ("NativeCalls",)


class NativeCalls:
    """The functions in Python of one engine.

    :param registers: the architecture's
    :param current: the running task
    :param failed: called with (event, sink, exception) when a handler raised; the sink is None
        when all of the event was called, which has looked after its sinks itself
    :param unwind: gives at most so many frames of a task's stack, None: the engine does
    :param around: the events of the calls that the call that returns was in, and its own, outermost first
    """

    def __init__(
        self,
        engine: Any,
        *,
        registers: Registers,
        current: Callable[[], Task],
        failed: Callable[[Event, Any, Exception], None],
        unwind: Callable[[Task, int], tuple[Frame, ...]] | None,
        around: Callable[[], tuple[tuple[str, ...], ...]],
    ) -> None:
        self._engine = engine
        self._registers = registers
        self._current = current
        self._failed = failed
        self._unwind, self._around = unwind, around
        self._handlers: list[tuple[Event, Any]] = []
        engine.set_outcome(self._outcome)

    def handler(self, event: Event, plan: ActionPlan) -> int:
        """The number of the one handler that *plan* calls."""
        function = plan.source.ret_handler if plan.at_return else plan.source.handler
        return self._add(event, plan.source, function, at_return=plan.at_return, fetches=True)

    def _add(self, event: Event, sink: Any, function: Any, *, at_return: bool, fetches: bool) -> int:
        """The number of a function that is called with hits; -1 for none."""
        if function is None:
            return -1
        self._handlers.append((event, sink))
        hit = make_hit(
            self._engine,
            self._current,
            event,
            self._unwind,
            self._registers,
            around=self._around,
            at_return=at_return,
            fetches=fetches,
        )
        number: int = self._engine.add_handler(function, hit)
        return number

    def chain(self, event: Event, plan: EventPlan) -> int:
        """The number of the event's functions in Python, -1 if it has none."""
        if plan.chain is Chain.NONE:
            return -1
        sink = plan.sink
        enter, leave = self._functions(event, sink)
        handlers = [
            self._add(event, sink, function, at_return=at_return, fetches=plan.fetches)
            for function, at_return in ((enter, False), (leave, True))
        ]
        missed = None if sink is not None and not hasattr(sink, "missed") else self._misser(event)
        number: int = self._engine.add_chain(handlers[0], handlers[1], missed)
        return number

    def _functions(self, event: Event, sink: Any) -> tuple[Any, Any]:
        """What is called at an entry and at a return: the methods of the only *sink*, else the event's."""
        if sink is not None:
            return getattr(sink, "handler", None), getattr(sink, "ret_handler", None)
        engine = self._engine

        def enter(hit: Any) -> None:
            vote, hit.cookie = event.entered(hit)
            engine.vote = int(vote)

        def leave(hit: Any) -> None:
            event.returned(hit, hit.cookie)

        return enter, leave

    def _misser(self, event: Event) -> Callable[[int, int], None]:
        def missed(function: int, reason: int) -> None:
            event.missed(function, _engine.MISSED[reason])

        return missed

    def _outcome(self, number: int, outcome: Any) -> None:
        """A handler raised, or voted."""
        event, sink = self._handlers[number]
        if isinstance(outcome, ConsumerStopped):
            outcome = OverdueError(str(outcome))
        elif isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
            outcome = RuntimeError(repr(outcome))  # sys.exit() in a handler: its own fault, not the run's end
        error = outcome if isinstance(outcome, Exception) else check_vote(outcome)
        if error is None:
            self._engine.vote |= int(outcome)
            return
        self._engine.vote |= int(HandlerVote.IGNORE)
        self._failed(event, sink, error)
