"""What calls are called in trees, graphs and pages: two functions never by the same name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from uprobe_core.event_model import EventSpec

__all__ = ("CallNames",)

_Place = tuple[str, int, str]


class CallNames:
    """Names of functions without parameters, with them where two would look the same, else with the group.

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
            self._names = _apart(self._events.values())
        return self._names.get(event.full_name) or event.label

    def by_event(self) -> dict[str, str]:
        """The same of all events, by their full names."""
        return _apart(self._events.values())


def _apart(events: Iterable[EventSpec]) -> dict[str, str]:
    """By full name; an event at a return is called as the one at the entry."""
    found = {event.full_name: event for event in events}
    names: dict[str, str] = {}
    for name_of in (lambda event: event.label, lambda event: event.location or event.label):
        names |= _those_alone(found, name_of)
        found = {name: event for name, event in found.items() if name not in names}
    return names | {name: f"{event.group}/{event.label}" for name, event in found.items()}


def _those_alone(events: dict[str, EventSpec], name_of: Callable[[EventSpec], str]) -> dict[str, str]:
    places: dict[str, set[_Place]] = defaultdict(set)
    for event in events.values():
        places[name_of(event)].add(_place(event))
    return {name: text for name, event in events.items() if len(places[text := name_of(event)]) == 1}


def _place(event: EventSpec) -> _Place:
    return (event.path, event.offset, "") if event.is_placed else ("", 0, event.full_name)
