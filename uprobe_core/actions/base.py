"""What the declarative consumers share: fields of hits, keys, bounds, and how an action observes an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from uprobe_core.consumer import EventInfo, Hit, ReturnHit
from uprobe_core.errors import UsageError

__all__ = (
    "MAX_KEYS",
    "Action",
    "ActionRun",
    "Getter",
    "getter_of",
    "key_getter",
    "names_of",
    "number_getter",
)

Getter = Callable[[Hit], Any]

MAX_KEYS = 1 << 17
"""Keys that an action holds if nothing else is said: as many as the largest map of a kernel's
histogram trigger (TRACING_MAP_BITS_MAX in kernel/trace/tracing_map.h)."""

STACK_DEPTH = 32
"""Frames of a stack that is a key."""

_COMMON: dict[str, Getter] = {
    "pid": lambda hit: hit.pid,
    "tid": lambda hit: hit.tid,
    "comm": lambda hit: hit.comm,
    "common_pid": lambda hit: hit.tid,
    "ip": lambda hit: hit.address,
    "stack": lambda hit: hit.stack(STACK_DEPTH),
}


def getter_of(event: EventInfo, name: str) -> Getter:
    """How to take the field *name* from a hit; raises UsageError for a name that the event lacks."""
    if name in event.names:
        index = list(event.names).index(name)
        return lambda hit: hit.values[index]
    if name in _COMMON:
        return _COMMON[name]
    known = ", ".join([*event.names, *_COMMON])
    raise UsageError(
        f"event {event.group}/{event.name} has no field {name!r}",
        hint=f"fields: {known}; -C NAME:event=GROUP/NAME keeps a consumer to one event",
        slug="unknown-field",
    )


def number_getter(event: EventInfo, name: str, action: str) -> Getter:
    """The same for a field that is to be a number; raises UsageError for text and arrays."""
    getter = getter_of(event, name)
    args = getattr(getattr(event, "spec", None), "args", ())
    found = next((arg for arg in args if arg.name == name), None)
    what = {"comm": "text", "stack": "a stack"}.get(name, "") if found is None else ""
    if found is not None and found.type.is_string:
        what = "text"
    if found is not None and found.count:
        what = "an array"
    if found is not None and found.shape is not None:
        what = "made of parts"
    if what:
        raise UsageError(
            f"{action} needs a number, but field {name!r} of {event.group}/{event.name} is {what}",
            hint=f"count by={name} tells its values apart",
            slug="bad-field",
        )
    return getter


def key_getter(event: EventInfo, by: Sequence[str]) -> Getter:
    """How to take the key made of the fields *by*; raises UsageError."""
    getters = [getter_of(event, name) for name in by]
    if not getters:
        return lambda _hit: ()
    if len(getters) == 1:
        return getters[0]
    return lambda hit: tuple(get(hit) for get in getters)


class ActionRun(Protocol):
    """The session that an action serves."""

    def journal(self, action: Action, measurement: Any) -> bool:
        """In a forked child send *measurement* to the session; False: it is to be applied here."""
        ...

    def bring_in(self) -> None:
        """Have everything applied that was found elsewhere, in a native engine say."""
        ...


class _Bound:
    """An action attached to one event."""

    def __init__(self, action: Action, measure: Getter, when: Callable[[Hit], bool] | None) -> None:
        self.name = action.name
        self.action = action
        self._measure = measure
        self._when = when
        self.reads_values = True
        """Whether it looks at the event's arguments; False saves keeping those of an entry for its return."""
        self.reads_only: frozenset[str] | None = None
        """The arguments that it looks at, None: any."""

    def _observe(self, hit: Hit) -> None:
        if self._when is None or self._when(hit):
            self.action.emit(self._measure(hit))


class _BoundEntry(_Bound):
    def handler(self, hit: Hit) -> None:
        """Observe an entry hit."""
        self._observe(hit)


class _BoundReturn(_Bound):
    def ret_handler(self, hit: ReturnHit) -> None:
        """Observe a return."""
        self._observe(hit)


class Action:
    """Base of the declarative consumers.

    Memory is bounded: once *max_keys* different keys have been seen (of a
    histogram: buckets of all keys), hits with further ones are counted in
    ``lost`` and nowhere else, and the session says so at its end.

    :param when: an expression over the event's fields; hits that it rejects are not seen
    :param max_keys: at least 1
    :ivar lost: hits for whose key there was no room
    """

    name = "action"
    at_return = False
    """Whether it observes returns also of an entry event."""

    def __init__(self, *, when: str | None = None, max_keys: int = MAX_KEYS) -> None:
        if max_keys < 1:
            raise UsageError(
                f"max_keys {max_keys} is out of range", hint="it is at least 1", slug="bad-option"
            )
        self.when = when
        self.max_keys = max_keys
        self.lost = 0
        self._run: ActionRun | None = None

    def attach(self, event: EventInfo, context: Any = None) -> _Bound:
        """Return what observes the hits of *event*; raises UsageError for a field that it lacks."""
        measure = self.bind(event)
        when = None
        if self.when is not None:
            from uprobe_core.events.filters import compile_filter

            when = compile_filter(self.when, event)
        cls = _BoundReturn if event.is_return or self.at_return else _BoundEntry
        bound = cls(self, measure, when)
        bound.reads_values = self.reads(event)
        bound.reads_only = self.reads_only()
        return bound

    def join(self, run: ActionRun) -> None:
        """Serve *run* from now on; raises UsageError if it serves another, whose results it would mix in."""
        if self._run not in (None, run):
            raise UsageError(
                f"this {self.name} already counts for another session",
                hint="make one for each session; their results can be added up afterwards",
                slug="action-in-use",
            )
        self._run = run

    def emit(self, measurement: Any) -> None:
        """Add one measurement to the result, wherever that is kept."""
        if self._run is None or not self._run.journal(self, measurement):
            self.apply(measurement)

    def sync(self) -> None:
        """Bring in what was found elsewhere; every result begins with it."""
        if self._run is not None:
            self._run.bring_in()

    def reads(self, event: EventInfo) -> bool:
        """Whether it may look at the arguments of *event*."""
        return True

    def reads_only(self) -> frozenset[str] | None:
        """Names of the fields that it looks at, None if it may be any."""
        return None

    def bind(self, event: EventInfo) -> Getter:
        """Return how a measurement is taken from a hit of *event*."""
        raise AssertionError("each action defines it")

    def apply(self, measurement: Any) -> None:
        """Add one measurement to the result."""
        raise AssertionError("each action defines it")

    def result(self) -> Any:
        """What was found so far."""
        raise AssertionError("each action defines it")

    def has_room(self, held: int, hits: int = 1) -> bool:
        """Whether a new key can join the *held* ones; if not, its *hits* are lost."""
        if held < self.max_keys:
            return True
        self.lost += hits
        return False


def names_of(by: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name, several, or none, as a tuple."""
    return () if by is None else (by,) if isinstance(by, str) else tuple(by)
