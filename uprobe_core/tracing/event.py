"""An installed event: the uprobe consumer behind one line of ``uprobe_events``.

The kernel's struct trace_uprobe.  One :class:`EventProbe` stands for one
location; the locations of one event share an :class:`Event`, which holds what
is done with a hit: filter, sinks, and whether it is enabled.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.backend import Process
from uprobe_core.consumer import EntryState, Hit, ReturnHit
from uprobe_core.errors import as_failure, described
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch, run_fetch
from uprobe_core.events.in_order import InOrder
from uprobe_core.events.record_buffer import RecordBuffer
from uprobe_core.tracing.context import ActsAround
from uprobe_core.types import HandlerVote

if TYPE_CHECKING:
    from uprobe_core.events.filters import FilterOp

__all__ = ("Event", "EventProbe", "Sink")

Predicate = Callable[[Hit], bool]
_NO_RETURN = object()
"""In place of a cookie: this sink does not see this call's return."""
_ALL_VOTES = int(HandlerVote.REMOVE | HandlerVote.IGNORE)


class Sink(Protocol):
    """Something attached to an event: a consumer's object or a declarative action.

    ``handler``, ``ret_handler``, ``missed`` and ``filter`` are optional and mean what they
    mean in :class:`~uprobe_core.consumer.Consumer`.
    """

    name: str


class Event:
    """What all locations of one event share, and what consumers see of it (an EventInfo).

    :param on_error: called with (event, sink, exception) when a sink raised
    :param buffer: shared by all events under policy=kernel, see :mod:`uprobe_core.events.record_buffer`
    :param readable_of: what the event of a full name is called for people
    :ivar number: what ``common_type`` says, 0 outside of policy=kernel
    :ivar most_text: how many bytes of strings a record may have, one with more is lost; None: any number
    """

    def __init__(
        self,
        spec: EventSpec,
        on_error: Callable[[Event, Sink, Exception], None],
        buffer: RecordBuffer | None = None,
        readable_of: Callable[[str], str] = str,
    ) -> None:
        self.spec = spec
        self.readable_of = readable_of
        self._full_name, self._is_return = spec.full_name, spec.is_return
        self.number = 0
        self._names = tuple(arg.name for arg in spec.args)
        self._called: dict[int, str] = {}
        """What the user calls sinks, by their id()."""
        self._enabled = True
        self.filter: Predicate | None = None
        self.filter_ops: tuple[FilterOp, ...] | None = None
        """The filter as a branching program, for a native engine."""
        self.on_change: Callable[[Event], None] | None = None
        """Called after what is done with a hit has changed."""
        self.triggers: ActsAround | None = None
        """What acts around each hit, whatever the filter says."""
        self.probes: InOrder[EventProbe] = InOrder()
        self.sinks: tuple[Sink, ...] = ()
        self._places: dict[int, int] = {}
        self._on_error = on_error
        self.buffer = None if buffer is None else buffer.seen_by(is_return=spec.is_return)
        self.most_text = None if self.buffer is None else self.buffer.most_text(spec.args)
        self._program = compile_fetch(spec.args, self.buffer)
        self.entry_program: FetchProgram | None = compile_fetch(spec.entry_args) if spec.entry_args else None
        self._elsewhere: dict[int, tuple[FetchProgram, FetchProgram | None]] = {}
        """Programs of locations whose arguments are not those of the first, by file offset."""
        self._entry_calls: tuple[tuple[int, Sink, Callable[[Hit], Any]], ...] = ()
        self._return_calls: tuple[tuple[int, Sink, Callable[[ReturnHit], Any]], ...] = ()
        self._missed_calls: tuple[tuple[Sink, Callable[[int, str], Any]], ...] = ()
        self._filters: tuple[tuple[Sink, Callable[[Process], bool] | None], ...] = ()
        self.has_filters = False
        """Whether one of its sinks may not want every process."""
        self.keeps_values = False
        """Whether a consumer may look at an entry's arguments at the return."""

    @property
    def group(self) -> str:
        """Its group, "uprobes" if the line named none."""
        return self.spec.group

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def full_name(self) -> str:
        """``GROUP/NAME``."""
        return self._full_name

    @property
    def is_return(self) -> bool:
        """Whether its hits are a function's returns."""
        return self._is_return

    @property
    def names(self) -> Sequence[str]:
        """What its arguments are called, in order."""
        return self._names

    @property
    def types(self) -> Sequence[str]:
        """Their types, as one writes them."""
        return tuple(arg.type.name + (f"[{arg.count}]" if arg.count else "") for arg in self.spec.args)

    @property
    def path(self) -> str:
        """The probed file, as the line has it."""
        return self.spec.path

    @property
    def symbol(self) -> str:
        """What the line says of the place in it, "" if it has an offset."""
        return self.spec.location

    @property
    def offset(self) -> int:
        """The offset of the first probed instruction in the file."""
        return self.spec.offset

    @property
    def readable(self) -> str:
        """``GROUP/`` and what people call it."""
        return self.readable_of(self.full_name)

    @property
    def enabled(self) -> bool:
        """Whether anything is done with a hit."""
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._enabled = on
        self.changed()

    def changed(self) -> None:
        """What is done with a hit has changed."""
        if self.on_change is not None:
            self.on_change(self)

    @property
    def wants_returns(self) -> bool:
        """Whether a return has to be followed for it."""
        return self._is_return or bool(self._return_calls)

    def add_location(self, spec: EventSpec) -> None:
        """Another place of the event, whose arguments may be found in other ways there."""
        if (spec.args, spec.entry_args) != (self.spec.args, self.spec.entry_args):
            at_entry = compile_fetch(spec.entry_args) if spec.entry_args else None
            self._elsewhere[spec.offset] = compile_fetch(spec.args, self.buffer), at_entry

    def fetch(self, hit: Hit) -> tuple[Any, ...]:
        """Run the fetch program for *hit*."""
        found = self._elsewhere.get(hit.probe_offset) if self._elsewhere else None
        return run_fetch(self._program if found is None else found[0], hit)

    def condition(self, test: Predicate) -> Predicate:
        """*test* as a kernel makes it: an unreadable string is what its buffers hold there."""
        if self.buffer is None:
            return test
        return self.buffer.condition(test, self.spec.args, lambda: self.filter is not None)

    def _at_entry(self, hit: Hit) -> tuple[Any, ...]:
        """What is kept of the entry *hit* for its return."""
        found = self._elsewhere.get(hit.probe_offset) if self._elsewhere else None
        program = self.entry_program if found is None else found[1]
        return run_fetch(program, hit) if program is not None else ()

    def add(self, sink: Sink, called: str = "") -> None:
        """Attach *sink*, which the user knows as *called*; its methods are looked up once, here."""
        if called:
            self._called[id(sink)] = called
        self._rebuild((*self.sinks, sink))

    def name_of(self, sink: Sink) -> str:
        """*sink* as a message says it: by the name that the user typed, else by its own, and the event."""
        name = self._called.get(id(sink)) or getattr(sink, "name", type(sink).__name__)
        return f"consumer {name!r} of {self.full_name}"

    def remove(self, sink: Sink) -> None:
        """Detach *sink*."""
        self._rebuild(tuple(s for s in self.sinks if s is not sink))

    def _rebuild(self, sinks: tuple[Sink, ...]) -> None:
        """Look methods up; a sink's place among the cookies stays its own when others leave."""
        self.sinks = sinks
        for sink in sinks:
            self._places.setdefault(id(sink), len(self._places))
        calls = [
            (self._places[id(s)], s, self._method(s, "handler"), self._method(s, "ret_handler"))
            for s in sinks
        ]
        self._entry_calls = tuple((i, s, entry) for i, s, entry, _ in calls if entry is not None)
        self._return_calls = tuple((i, s, leave) for i, s, _, leave in calls if leave is not None)
        self._missed_calls = tuple((s, s.missed) for s in sinks if hasattr(s, "missed"))
        self._filters = tuple((s, getattr(s, "filter", None)) for s in sinks)
        self.has_filters = any(wants is not None for _, wants in self._filters)
        readers = [sink for _, sink, _ in self._return_calls if getattr(sink, "reads_values", True)]
        self.keeps_values = bool(readers) and bool(self.spec.args) and not self.is_return
        self.changed()

    def _method(self, sink: Sink, name: str) -> Callable[[Any], Any] | None:
        """The method *name* of *sink*, which hears nothing of processes that its filter does not want."""
        method: Callable[[Any], Any] | None = getattr(sink, name, None)
        wants = getattr(sink, "filter", None)
        if method is None or wants is None:
            return method
        return lambda hit: method(hit) if self._asks(sink, wants, hit.task.process) else HandlerVote.IGNORE

    def is_wanted_in(self, process: Process) -> bool:
        """Whether a sink wants the hits of *process*; one without a filter wants all."""
        return any(self._asks(sink, wants, process) for sink, wants in self._filters)

    def _asks(self, sink: Sink, wants: Callable[[Process], bool] | None, process: Process) -> bool:
        try:
            answer = True if wants is None else wants(process)
            if not isinstance(answer, bool):
                raise TypeError(f"filter returned {answer!r}, which is neither True nor False")
            return answer
        except BaseException as error:  # as in a handler
            self._on_error(self, sink, as_failure(error))
            return False

    def entered(self, hit: Hit) -> tuple[HandlerVote, EntryState | None]:
        """Run the entry handlers; returns the event's vote and what to remember until the return.

        REMOVE needs every sink's vote.  A sink that votes at all, that raised,
        or whose event's filter rejects the hit does not see this call's return;
        when none would see it the vote is IGNORE.
        """
        state = None
        if self.wants_returns:
            state = EntryState(
                hit.timestamp, self._at_entry(hit), [None] * len(self._places), hit.task.work()
            )
        hit.event = self
        if self.is_return or self.triggers is None:
            return self._entered(hit, state)
        answer = self.triggers.around(hit, lambda: self._entered(hit, state))
        return (HandlerVote.KEEP, state) if answer is None else answer

    def _entered(self, hit: Hit, state: EntryState | None) -> tuple[HandlerVote, EntryState | None]:
        if not self.is_return and self._is_rejected(hit):
            return HandlerVote.IGNORE, None
        if state is not None and self.keeps_values:
            state.args = hit.values
        return self._run_entry_calls(hit, state), state

    def _is_rejected(self, hit: Hit) -> bool:
        if self.filter is not None and not self.filter(hit):
            return True
        return self.buffer is not None and bool(hit.values) and not self.buffer.recorded()

    def _run_entry_calls(self, hit: Hit, state: EntryState | None) -> HandlerVote:
        removals, event_vote = 0, HandlerVote.KEEP
        for place, sink, call in self._entry_calls:
            hit.cookie = None
            vote = self._call(sink, call, hit)
            removals += bool(vote & HandlerVote.REMOVE)
            if state is not None:
                state.cookies[place] = _NO_RETURN if vote else hit.cookie
        if removals and removals == len(self.sinks):
            event_vote |= HandlerVote.REMOVE
        returning = [state.cookies[place] for place, _, _ in self._return_calls] if state is not None else []
        if returning and all(cookie is _NO_RETURN for cookie in returning):
            event_vote |= HandlerVote.IGNORE
        return event_vote

    def returned(self, hit: ReturnHit, state: EntryState) -> None:
        """Run the return handlers."""
        hit.event = self
        hit.entry = state
        if state.args is not None:
            hit._values = state.args  # an entry event's values are those of the entry
        if not self.enabled:
            return
        if self.is_return and self.triggers is not None:
            self.triggers.around(hit, lambda: self._returned(hit, state))
        else:
            self._returned(hit, state)

    def _returned(self, hit: ReturnHit, state: EntryState) -> None:
        if self.is_return and self._is_rejected(hit):
            return
        for place, sink, call in self._return_calls:
            cookie = state.cookies[place] if place < len(state.cookies) else None
            if cookie is not _NO_RETURN:
                hit.cookie = cookie
                self._call(sink, call, hit)

    def missed(self, function: int, reason: str) -> None:
        """Tell the consumers that want to know of a call that will not be seen to return."""
        for sink, call in self._missed_calls if self.enabled else ():
            self._call(sink, call, function, reason)

    def _call(self, sink: Sink, call: Callable[..., Any], *arguments: Any) -> HandlerVote:
        """The sink's vote; IGNORE if it raised, since a consumer's bug must not end the program."""
        try:
            vote = call(*arguments)
            if vote is None:
                return HandlerVote.KEEP
            wrong = check_vote(vote)
            if wrong is not None:
                raise wrong
            return HandlerVote(vote)
        except BaseException as error:  # sys.exit() in a consumer must not end the run without its records
            self._on_error(self, sink, as_failure(error))
            return HandlerVote.IGNORE


def check_vote(vote: object) -> Exception | None:
    """What is wrong with a handler's result, None if it is a vote."""
    try:
        good = not isinstance(vote, bool) and 0 <= operator.index(vote) <= _ALL_VOTES  # type: ignore[arg-type]
    except BaseException:  # no number, or one that is not even able to say which
        good = False
    return None if good else TypeError(f"handler returned {described(vote)}, which is no HandlerVote")


class EventProbe:
    """One location of an event, as a uprobe consumer.

    ``tallies`` counts "hits" (what ``uprobe_profile`` shows: entries, also of a
    return event, filtered or not), "entries" (calls whose return is followed),
    "returns", and "missed REASON" for calls that will never be seen to return.

    :ivar journal: in a forked child, takes each tally instead, so that none is lost with the child
    """

    __slots__ = ("event", "filter", "journal", "name", "ret_handler", "spec", "tallies", "uprobe")

    def __init__(self, spec: EventSpec, event: Event) -> None:
        self.name = spec.full_name
        self.spec = spec
        self.event = event
        self.uprobe: Any = None
        self.tallies: Counter[str] = Counter()
        self.journal: Callable[[str], None] | None = None
        self.ret_handler: Callable[[ReturnHit], None] | None = None
        self.filter: Callable[[Process], bool] | None = None
        self.follow()

    def follow(self) -> None:
        """Have a return handler exactly if a sink wants returns, and a filter if one has a filter."""
        self.ret_handler = self._returned if self.event.wants_returns else None
        self.filter = self.event.is_wanted_in if self.event.has_filters else None

    def tally(self, what: str) -> None:
        """Count one *what*."""
        if self.journal is not None:
            self.journal(what)
        else:
            self.tallies[what] += 1

    def handler(self, hit: Hit) -> HandlerVote:
        """An entry, of an event of either kind; a disabled event sees neither it nor its return."""
        if not self.event.enabled:
            return HandlerVote.IGNORE
        self.tally("hits")
        vote, hit.cookie = self.event.entered(hit)
        if self.ret_handler is not None and not vote:
            self.tally("entries")
        return vote

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
