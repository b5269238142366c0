"""The ``uprobe_events`` file: adding, appending, deleting and listing events.

Rules: register_trace_uprobe and append_trace_uprobe in
kernel/trace/trace_uprobe.c, dyn_event_release in kernel/trace/trace_dynevent.c
(6.12).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from uprobe_core.errors import SpecError
from uprobe_core.event_model import DeleteSpec, EventSpec
from uprobe_core.events.hints import nearest
from uprobe_core.events.in_order import InOrder
from uprobe_core.events.line import EventLine
from uprobe_core.events.listing import listing_of
from uprobe_core.events.parse import DEFAULT_GROUP

if TYPE_CHECKING:
    from uprobe_core.events.parse import Command, Language

__all__ = ("EventTable",)


class EventTable:
    """The events that are defined, in the order in which they were.

    :ivar undo: if it is a list, it takes a function for each change, which undoes it
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self.undo: list[Callable[[], object]] | None = None
        self._events: InOrder[EventSpec] = InOrder()
        self._named: defaultdict[str, InOrder[EventSpec]] = defaultdict(InOrder)
        """Locations by NAME and by GROUP/NAME."""
        self._placed: defaultdict[int, defaultdict[str, InOrder[EventSpec]]]
        self._placed = defaultdict(lambda: defaultdict(InOrder))
        """Locations by offset and path."""
        self._same: defaultdict[tuple[str, int, tuple[str, ...]], InOrder[EventSpec]] = defaultdict(InOrder)
        """Locations of one event by what a second one at that offset must not repeat."""
        self._enabled: set[str] = set()

    def __iter__(self) -> Iterator[EventSpec]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def _put(self, event: EventSpec) -> None:
        for group in self._groups_of(event):
            group.add(event)
        self._note(lambda: self._take(event))

    def _take(self, event: EventSpec) -> None:
        places = [(group, group.remove(event)) for group in self._groups_of(event)]
        for group, number in places:
            self._note(partial(group.put_back, event, number))

    def _groups_of(self, event: EventSpec) -> tuple[InOrder[EventSpec], ...]:
        return (
            self._events,
            self._named[event.full_name],
            self._named[event.name],
            self._placed[event.offset][event.path],
            self._same[_repeated(event)],
        )

    def _note(self, undo: Callable[[], object]) -> None:
        if self.undo is not None:
            self.undo.append(undo)

    # --- writing --------------------------------------------------------------------------------

    def write(self, line: str) -> list[Command]:
        """Do what one line says; returns its commands.

        Raises SpecError; the table is then as it was, unless the line was a
        glob, whose earlier locations stay as they would in a kernel.
        """
        commands = self.language.parse(line)
        for command in commands:
            if isinstance(command, DeleteSpec):
                self.delete(command)
            else:
                self.add(command)
        return commands

    def add(self, event: EventSpec) -> None:
        """Define *event*, or add a location to the event of that name.  Raises SpecError."""
        self._check_reference(event)
        first = next(iter(self._named.get(event.full_name, ())), None)
        if first is not None:
            self._check_append(event, first)
        elif self.language.policy.is_kernel and event.group != DEFAULT_GROUP:
            self._check_taken(event)
        self._put(event)

    def delete(self, spec: DeleteSpec) -> list[EventSpec]:
        """Remove and return what *spec* matches.  Raises SpecError: ENOENT, or EBUSY while enabled."""
        line = EventLine.split(spec.line, quotes=True)
        candidates = self._named.get(spec.name, ()) if spec.name else self._events
        found = [event for event in candidates if _matches(spec, event)]
        if not found:
            hint = nearest(spec.name, [event.name for event in self._events])
            raise line.refusal(f"no such event: {_wanted(spec)}", errno_name="ENOENT", hint=hint)
        for event in found:
            if event.full_name in self._enabled and len(self._named[event.full_name]) == 1:
                raise line.refusal(f"event is enabled: {event.full_name}", errno_name="EBUSY")
            self._take(event)
        return found

    def clear(self) -> None:
        """Remove everything, as opening the file for truncation does.  Raises SpecError: EBUSY."""
        busy = sorted(self._enabled)
        if busy:
            raise SpecError(
                f"event is enabled: {busy[0]}", errno_name="EBUSY", logged=False, hint="disable it first"
            )
        self.drop(list(self._events))

    def drop(self, events: Iterable[EventSpec]) -> None:
        """Remove *events*, enabled or not; those that are not there are no error."""
        for event in events:
            if event in self._events:
                self._take(event)

    # --- reading --------------------------------------------------------------------------------

    def members(self, full_name: str) -> list[EventSpec]:
        """The locations of the event ``GROUP/NAME``, first defined first; empty if there is none."""
        return list(self._named.get(full_name, ()))

    def find(self, name: str) -> list[EventSpec]:
        """The members of events called *name*, as ``NAME`` (in any group) or ``GROUP/NAME``."""
        return self.members(name)

    def listing(self) -> list[str]:
        """The lines of the file, without newlines."""
        return [listing_of(event) for event in self._events]

    def groups(self) -> list[str]:
        """Group names, each once, in order of definition."""
        return list(dict.fromkeys(event.group for event in self._events))

    # --- enabling -------------------------------------------------------------------------------

    def enable(self, full_name: str, on: bool = True) -> None:
        """Note that the event ``GROUP/NAME`` is enabled or not; an enabled one cannot be removed."""
        if on:
            self._enabled.add(full_name)
        else:
            self._enabled.discard(full_name)

    # --- the kernel's rules ---------------------------------------------------------------------

    def _same_file(self, a: EventSpec, b: EventSpec) -> bool:
        check = self.language.file_check
        return a.path == b.path or check(a.path).identity == check(b.path).identity

    def _check_reference(self, event: EventSpec) -> None:
        for group in self._placed.get(event.offset, {}).values():
            other = next(iter(group), event)  # all of one path have the same
            if other.ref != event.ref and self._same_file(other, event):
                raise _line(event).refusal(
                    f"another event at this place has the semaphore {other.ref:#x}, not {event.ref:#x}",
                    hint="one place in a file has one semaphore",
                )

    def _check_taken(self, event: EventSpec) -> None:
        from uprobe_core.events.kernel_events import is_kernel_event

        if is_kernel_event(event.group, event.name):
            raise _line(event).error(
                "EVENT_EXIST", 0, errno_name="EEXIST", hint="choose another group or name"
            )

    def _check_append(self, event: EventSpec, first: EventSpec) -> None:
        """Raise the SpecError of an event that cannot be a location of the one that *first* began."""
        if first.kind != event.kind:
            name = f"{event.kind}:{event.group}/{event.name}_{'return' if event.is_return else 'entry'}"
            hint = f"existing: {listing_of(first)}; give this one a name of its own, such as {name}"
            raise _line(event).error("DIFF_PROBE_TYPE", 0, errno_name="EEXIST", hint=hint)
        different = _different_argument(event, first)
        if different is not None:
            hint = f"existing: {listing_of(first)}"
            if first.line == event.line and first.location != event.location:
                hint = f"{first.location} and {event.location} differ: name one of them"
            raise _line(event).error("DIFF_ARG_TYPE", different + 2, errno_name="EEXIST", hint=hint)
        if any(self._same_file(other, event) for other in self._same.get(_repeated(event), ())):
            raise _line(event).error("SAME_PROBE", 0, errno_name="EEXIST")


def _line(event: EventSpec) -> EventLine:
    """What the user wrote, for what is wrong with it."""
    return EventLine.split(event.line or listing_of(event), quotes=True)


def _repeated(event: EventSpec) -> tuple[str, int, tuple[str, ...]]:
    return event.full_name, event.offset, tuple(arg.text for arg in event.args)


def _different_argument(new: EventSpec, old: EventSpec) -> int | None:
    """Index of the first argument that differs in name, type or count; None if all agree."""
    if len(new.args) != len(old.args):
        return min(len(new.args), len(old.args))
    for index, (a, b) in enumerate(zip(new.args, old.args, strict=True)):
        is_gone = "shape" in (a.type.kind, b.type.kind)  # optimized out at one of the places
        if a.name != b.name or ((a.type, a.count) != (b.type, b.count) and not is_gone):
            return index
    return None


def _wanted(spec: DeleteSpec) -> str:
    name = spec.name if spec.group is None else f"{spec.group}/{spec.name}"
    return " ".join([name, *spec.words])


def _matches(spec: DeleteSpec, event: EventSpec) -> bool:
    """trace_uprobe_match: name, group, then the words as the listing has them."""
    if spec.name not in ("", event.name) or spec.group not in (None, event.group):
        return False
    listed = EventLine.split(listing_of(event), quotes=True).words[1:]
    return spec.words == listed[: len(spec.words)]
