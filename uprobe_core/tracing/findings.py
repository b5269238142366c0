"""What the events of a session found, that of forked children included: records, tallies, reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.base import Action
from uprobe_core.event_model import Record
from uprobe_core.events.in_order import InOrder

if TYPE_CHECKING:
    from uprobe_core.consumer import Hit
    from uprobe_core.probes.utask import PendingReturn
    from uprobe_core.records.output import RunOutput
    from uprobe_core.records.spool import Spool
    from uprobe_core.tracing.event import Event, EventProbe
    from uprobe_core.tracing.lives import Lives
    from uprobe_core.tracing.state import TracingState

__all__ = ("EventTotals", "Findings", "inherit", "make_record")


def make_record(hit: Hit, event: Event, stack: tuple[str, ...] = ()) -> Record:
    """The record of a hit, for writers."""
    task = hit.task
    function = getattr(hit, "function", None)
    ip = hit.address if function is None else hit.reg(hit.registers.pc)
    return Record(
        event.spec,
        hit.timestamp,
        task.process.pid,
        task.tid,
        task.comm,
        task.cpu(),
        ip,
        function,
        hit.values,
        stack,
    )


def inherit(pending: Collection[PendingReturn]) -> None:
    """A forked task has *pending* returns of its own: they count as entries of its own."""
    if not pending:
        return
    from uprobe_core.tracing.event import EventProbe

    for instance in pending:
        for link, _cookie in instance.sessions:
            if isinstance(link.consumer, EventProbe):
                link.consumer.tally("entries")


@dataclass(frozen=True)
class EventTotals:
    """What was counted of one event: entries = returns + missed + pending, always.

    :param name: GROUP/NAME
    :param tallies: as those of an EventProbe, over all its locations
    :param readable_of: what people call it
    """

    name: str
    tallies: Counter[str]
    readable_of: Callable[[str], str] = str

    @property
    def readable(self) -> str:
        """``GROUP/`` and what people call it."""
        return self.readable_of(self.name)

    @property
    def missed(self) -> dict[str, int]:
        """Calls that will never be seen to return, by reason."""
        return {
            what.removeprefix("missed "): n
            for what, n in sorted(self.tallies.items())
            if what.startswith("missed ")
        }

    @property
    def pending(self) -> int:
        """Calls that had not returned when the run ended."""
        return self.tallies["entries"] - self.tallies["returns"] - sum(self.missed.values())

    def balance(self) -> str:
        """The line of the report."""
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.missed.items())
        why = f" ({reasons})" if reasons else ""
        return (
            f"# {self.readable}: {self.tallies['entries']} entries = {self.tallies['returns']} returns"
            f" + {sum(self.missed.values())} missed{why} + {self.pending} pending"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        counts = {what: self.tallies[what] for what in ("hits", "entries", "returns")}
        named = {"name": self.name, "readable": self.readable}
        return {**named, **counts, "missed": self.missed, "pending": self.pending}


class Findings:
    """What is found by locations and actions, which forked children name by their numbers.

    :ivar probes: every location that was ever placed or may be
    :ivar actions: every action, in the order in which they were attached
    """

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._readable: tuple[int, dict[str, str]] = 0, {}
        """What events are called for people, and how many locations there had been when it was asked for."""
        self.statistics: Counter[str] = Counter()
        """What the machine counted in forked processes."""
        self.elsewhere: Counter[tuple[str, str]] = Counter()
        """What the tallies of each event (full name, what) have got out of forked processes."""
        self.probes: InOrder[EventProbe] = InOrder()
        self.actions: list[Action] = []
        self.functions: set[str] = set()
        """Events (GROUP/NAME) of functions that were named by a pattern: one line tells of all of them."""
        self.others: dict[str, Callable[..., None]] = {}
        """What else forked processes tell, by kind, and who hears it."""
        self.sync: Callable[[], None] | None = None
        """Brings in what a native engine has counted."""
        self._numbers: dict[int, int] = {}
        """Places of actions in the list, by their id()."""
        self._spool: Spool | None = None
        self._shared: tuple[int, int] | None = None
        """In a forked child: how many locations and actions the session knows as well."""

    @property
    def is_recording(self) -> bool:
        """Whether hits are recorded; the traceon and traceoff triggers switch it."""
        return "tracing" not in self.__dict__ or self.tracing.recording

    @cached_property
    def tracing(self) -> TracingState:
        """What the triggers of all events share."""
        from uprobe_core.tracing.state import TracingState

        return TracingState()

    def take(self, action: Action, spool: Spool) -> None:
        """Number *action*, whose measurements in forked children travel through *spool*; UsageError."""
        self._spool = spool
        if id(action) not in self._numbers:
            action.join(self)
            self._numbers[id(action)] = len(self.actions)
            self.actions.append(action)

    def drop_actions(self, first: int) -> None:
        """Forget those that were numbered *first* and later."""
        for action in self.actions[first:]:
            del self._numbers[id(action)]
        del self.actions[first:]

    def journal(self, action: Action, measurement: Any) -> bool:
        """In a forked child send *measurement* to the session; False: this is where *action* is kept."""
        if self._spool is None or self._spool.is_root:
            return False
        number = self._numbers[id(action)]
        if self._shared is not None and number >= self._shared[1]:
            return False  # only this child knows it
        self._spool.put(("action", number, measurement))
        return True

    def bring_in(self) -> None:
        """Have counted what a native engine has found so far."""
        if self.sync is not None:
            self.sync()

    def replay(self, spool: Spool, output: RunOutput | None) -> None:
        """Apply what forked children observed."""
        probes = self.probes
        for kind, *rest in spool.messages():
            if kind == "action":
                self.actions[rest[0]].apply(rest[1])
            elif kind == "not-written" and output is not None:
                output.fail(rest[0])
            elif kind == "tally":
                self._add(probes[rest[0]], rest[1], 1)
            elif kind == "tallies":
                self._add(probes[rest[0]], rest[1], rest[2])
            elif kind == "statistics":
                self.statistics.update(rest[0])
            elif kind == "life":
                self._lives.heard(rest[0])
            elif kind == "hist":
                self.tracing.replay_hist(*rest)
            elif kind in self.others:
                self.others[kind](*rest)
            elif kind == "found":
                from uprobe_core.actions.merge import merge

                merge(self.actions[rest[0]], *rest[1:])
        if output is not None:
            output.collect()

    def _add(self, probe: EventProbe, what: str, count: int) -> None:
        """Count *count* times *what* of another process."""
        probe.tallies[what] += count
        self.elsewhere[probe.event.full_name, what] += count

    def spool_native(self, spool: Spool, message: tuple[Any, ...]) -> None:
        """Send what a native engine found in a forked child: objects go as their numbers."""
        kind, what, *rest = message
        probes, actions = self._shared or (self.probes.next, len(self.actions))
        if kind == "found":
            number, known = self._numbers.get(id(what), actions), actions
        else:
            number, known = self.probes.number(what), probes
        if number < known:
            spool.put((kind, number, *rest))

    def enter_child(self, spool: Spool) -> None:
        """This process is a forked child: its tallies go to *spool*.

        What is added in it from here on is its own, and the session does not hear of it.
        """
        if self._shared is None:
            self._shared = self.probes.next, len(self.actions)
        for probe in self.probes:
            number = self.probes.number(probe)
            if number < self._shared[0]:
                probe.journal = lambda what, number=number: spool.put(("tally", number, what))

    def _found(self) -> dict[Event, list[EventProbe]]:
        """Every event that was placed, with its locations, those that were taken out included."""
        found: dict[Event, list[EventProbe]] = {}
        for probe in self.probes:
            found.setdefault(probe.event, []).append(probe)
        return found

    def readable_of(self, full_name: str) -> str:
        """What people call an event that is placed or was."""
        if self._readable[0] != self.probes.next:
            from uprobe_core.call_names import readable_names

            self._readable = self.probes.next, readable_names(probe.spec for probe in self.probes)
        return self._readable[1].get(full_name, full_name)

    def totals(self) -> Iterator[EventTotals]:
        """The counts of every event that was placed, those that were taken out included."""
        for event, probes in self._found().items():
            tallies: Counter[str] = Counter()
            for probe in probes:
                tallies.update(probe.tallies)
            yield EventTotals(event.full_name, tallies, event.readable_of)

    def reports(self) -> Iterator[str]:
        """The histograms of triggers, then a line for each event that missed returns."""
        if "tracing" in self.__dict__:
            yield from self.tracing.hist_lines()
        of_functions = EventTotals("functions", Counter())
        for total in self.totals():
            if total.name in self.functions:
                of_functions.tallies.update(total.tallies)
            elif total.missed or total.pending:
                yield total.balance()
        if of_functions.missed or of_functions.pending:
            yield of_functions.balance()

    def losses(self) -> Iterator[str]:
        """A sentence for each action that had no room for a key."""
        for action in self.actions:
            if action.lost:
                bound = f"it holds {action.max_keys} keys (max_keys)"
                yield f"{action.name}: {action.lost} hits were lost, {bound}"

    def profile(self, *, with_missed: bool) -> list[str]:
        """The lines of ``uprobe_profile``, one for each location."""
        from uprobe_core.events.trace_text import profile_line

        return [
            profile_line(
                probe.spec.path,
                event.name,
                probe.tallies["hits"],
                sum(probe.missed_by_reason.values()) if with_missed and probe.ret_handler else None,
            )
            for event, probes in self._found().items()
            for probe in probes
        ]
