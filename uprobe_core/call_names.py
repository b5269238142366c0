"""What calls and events are called in trees, graphs, tables and pages: two never by the same name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from uprobe_core.event_model import EventSpec

__all__ = ("CallNames", "readable_names")

_Place = tuple[str, int, str]
_NameOf = Callable[[EventSpec], str]
_AT_RETURN = "__return"
"""Ends the name of an event at a return that stands beside one at the entry."""


class CallNames:
    """Names of functions without parameters, with them, the group or the place where two would look the same.

    :param events: every probed location of the run; others are called by their labels
    """

    def __init__(self, events: Iterable[EventSpec] = ()) -> None:
        self._events = {event.full_name: event for event in events}
        self._names: dict[str, str] = {}

    def add(self, event: EventSpec) -> None:
        """One more."""
        self._events[event.full_name] = event
        self._names = {}

    def of(self, event: EventSpec) -> str:
        """What calls of *event* are called."""
        if not self._names:
            self._names = self.by_event()
        return self._names.get(event.full_name) or event.label

    def by_event(self) -> dict[str, str]:
        """The same of all events, by their full names; one at a return is called as the one at the entry."""
        ways: tuple[_NameOf, ...] = (
            lambda event: event.label,
            lambda event: event.location or event.label,
            lambda event: f"{event.group}/{event.label}",
            lambda event: f"{event.location or event.label}@{event.offset:#x}",
        )
        return _apart(self._events.values(), ways, _place)


def readable_names(events: Iterable[EventSpec]) -> dict[str, str]:
    """What events are called in tables, by their full names: ``GROUP/`` and the name that somebody gave them.

    An event that is called after its place has the place as the source has it: without parameters,
    with them where two would look the same, and the offset in the file where they still do.
    """
    ways: tuple[_NameOf, ...] = (
        lambda event: _placed(event, event.label),
        lambda event: _placed(event, event.location),
        lambda event: _placed(event, f"{event.location}@{event.offset:#x}"),
    )
    return _apart(events, ways, lambda event: event.full_name)


def _placed(event: EventSpec, place: str) -> str:
    if event.is_named or not event.location:
        return event.full_name
    end = _AT_RETURN if event.is_return and event.name.endswith(_AT_RETURN) else ""
    return f"{event.group}/{place}{end}"


def _apart(
    events: Iterable[EventSpec], ways: Iterable[_NameOf], same: Callable[[EventSpec], object]
) -> dict[str, str]:
    """By full name what the first of *ways* calls an event but no other one; *same* says which are one."""
    found = {event.full_name: event for event in events}
    names: dict[str, str] = {}
    for name_of in ways:
        called: dict[str, set[object]] = defaultdict(set)
        for event in found.values():
            called[name_of(event)].add(same(event))
        names |= {name: text for name, event in found.items() if len(called[text := name_of(event)]) == 1}
        found = {name: event for name, event in found.items() if name not in names}
    return names | {name: name for name in found}


def _place(event: EventSpec) -> _Place:
    return (event.path, event.offset, "") if event.is_placed else ("", 0, event.full_name)
