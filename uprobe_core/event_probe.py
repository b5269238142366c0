"""An installed event: the uprobe consumer behind one line of ``uprobe_events``.

The kernel's struct trace_uprobe.  One :class:`EventProbe` stands for one
location; the locations of one event share an :class:`Event`, which holds what
is done with a hit: filter, sinks, and whether it is enabled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from uprobe_core.consumer import EntryState, Hit, ReturnHit
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch, run_fetch
from uprobe_core.events.model import EventSpec
from uprobe_core.types import MemoryFault

__all__ = ("Event", "EventProbe", "Sink")

Predicate = Callable[[Hit], bool]


class Sink(Protocol):
    """Something attached to an event: a consumer's object or a declarative action.

    ``handler`` and ``ret_handler`` are optional and mean what they mean in
    :class:`~uprobe_core.consumer.Consumer`.
    """

    name: str


class Event:
    """What all locations of one event share, and what consumers see of it (an EventInfo).

    :param on_error: called with (event, sink, exception) when a sink raised
    """

    def __init__(self, spec: EventSpec, on_error: Callable[[Event, Sink, Exception], None]) -> None:
        self.group = spec.group
        self.name = spec.name
        self.spec = spec
        self.is_return = spec.is_return
        self.names: Sequence[str] = tuple(arg.name for arg in spec.args)
        self.enabled = True
        self.filter: Predicate | None = None
        self.probes: list[EventProbe] = []
        self.sinks: tuple[Sink, ...] = ()
        self._on_error = on_error
        self._program = compile_fetch(spec.args)
        self.entry_program: FetchProgram | None = compile_fetch(spec.entry_args) if spec.entry_args else None
        self._entry_calls: tuple[tuple[int, Sink, Callable[[Hit], Any]], ...] = ()
        self._return_calls: tuple[tuple[int, Sink, Callable[[ReturnHit], Any]], ...] = ()
        self._missed_calls: tuple[tuple[Sink, Callable[[int, str], Any]], ...] = ()

    @property
    def full_name(self) -> str:
        """``GROUP/NAME``."""
        return f"{self.group}/{self.name}"

    @property
    def wants_returns(self) -> bool:
        """Whether a return has to be followed for it."""
        return self.is_return or bool(self._return_calls)

    def fetch(self, hit: Hit) -> tuple[Any, ...]:
        """Run the fetch program for *hit*."""
        return run_fetch(self._program, hit)

    def add(self, sink: Sink) -> None:
        """Attach *sink*; its methods are looked up once, here."""
        self._rebuild((*self.sinks, sink))

    def remove(self, sink: Sink) -> None:
        """Detach *sink*."""
        self._rebuild(tuple(s for s in self.sinks if s is not sink))

    def _rebuild(self, sinks: tuple[Sink, ...]) -> None:
        self.sinks = sinks
        calls = [
            (i, s, getattr(s, "handler", None), getattr(s, "ret_handler", None)) for i, s in enumerate(sinks)
        ]
        self._entry_calls = tuple((i, s, entry) for i, s, entry, _ in calls if entry is not None)
        self._return_calls = tuple((i, s, leave) for i, s, _, leave in calls if leave is not None)
        self._missed_calls = tuple((s, s.missed) for s in sinks if hasattr(s, "missed"))

    def entered(self, hit: Hit) -> EntryState | None:
        """Run the entry handlers; returns what to remember when a return follows."""
        state = None
        if self.wants_returns:
            values = run_fetch(self.entry_program, hit) if self.entry_program is not None else ()
            state = EntryState(hit.task.clock(), values, [None] * len(self.sinks))
        if not self.enabled:
            return state
        hit.event = self
        if self.is_return or self.filter is None or self.filter(hit):
            for index, sink, call in self._entry_calls:
                hit.cookie = None
                self._call(sink, call, hit)
                if state is not None:
                    state.cookies[index] = hit.cookie
        return state

    def returned(self, hit: ReturnHit, state: EntryState) -> None:
        """Run the return handlers."""
        if not self.enabled:
            return
        hit.event = self
        hit.entry = state
        if not self.is_return or self.filter is None or self.filter(hit):
            for index, sink, call in self._return_calls:
                hit.cookie = state.cookies[index] if index < len(state.cookies) else None
                self._call(sink, call, hit)

    def missed(self, function: int, reason: str) -> None:
        """Tell the consumers that want to know of a call that will not be seen to return."""
        for sink, call in self._missed_calls if self.enabled else ():
            self._call(sink, call, function, reason)

    def _call(self, sink: Sink, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except (
            Exception,
            MemoryFault,
        ) as error:  # a consumer's bug must not end the program that it looks at
            self._on_error(self, sink, error)


class EventProbe:
    """One location of an event, as a uprobe consumer.

    ``tallies`` counts "hits" (what ``uprobe_profile`` shows: entries, also of a
    return event, filtered or not), "entries" (calls whose return is followed),
    "returns", and "missed REASON" for calls that will never be seen to return.

    :ivar journal: in a forked child, takes each tally instead, so that none is lost with the child
    """

    __slots__ = ("event", "journal", "name", "ret_handler", "spec", "tallies", "uprobe")

    def __init__(self, spec: EventSpec, event: Event) -> None:
        self.name = spec.full_name
        self.spec = spec
        self.event = event
        self.uprobe: Any = None
        self.tallies: Counter[str] = Counter()
        self.journal: Callable[[str], None] | None = None
        self.ret_handler: Callable[[ReturnHit], None] | None = None
        self.follow()

    def follow(self) -> None:
        """Have a return handler exactly if something wants the returns of this event."""
        self.ret_handler = self._returned if self.event.wants_returns else None

    def tally(self, what: str) -> None:
        """Count one *what*."""
        if self.journal is not None:
            self.journal(what)
        else:
            self.tallies[what] += 1

    def handler(self, hit: Hit) -> None:
        """An entry, of an event of either kind."""
        self.tally("hits")
        if self.ret_handler is not None:
            self.tally("entries")
        hit.cookie = self.event.entered(hit)

    def _returned(self, hit: ReturnHit) -> None:
        self.tally("returns")
        self.event.returned(hit, hit.cookie)

    def missed(self, function: int, reason: str) -> None:
        """A call that was entered will not be seen to return."""
        self.tally(f"missed {reason}")
        self.event.missed(function, reason)

    @property
    def missed_by_reason(self) -> dict[str, int]:
        """Counts of missed returns by reason."""
        return {
            what.removeprefix("missed "): n for what, n in self.tallies.items() if what.startswith("missed ")
        }
