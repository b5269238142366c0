"""What somebody who is attached to a run has added to it: events, and consumers or their records."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.discovery.contracts import asked, blaming
from uprobe_core.discovery.load import load_consumer
from uprobe_core.errors import SpecError, UsageError
from uprobe_core.event_model import Value
from uprobe_core.events.trace_text import format_record
from uprobe_core.run_setup import ConsumerUse, EventLine
from uprobe_core.session.report import ConsumerReports
from uprobe_core.setup_words import TRACE
from uprobe_core.tracing.findings import make_record

if TYPE_CHECKING:
    from uprobe_core.consumer import Hit
    from uprobe_core.control.wire import Wire
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.tracing.event import Event
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Attached", "Extended")

_HEAD = re.compile(r"([pr]\d*)(?::(\S*))?(\s.*)", re.DOTALL)
_FROM_THE_START = (
    ("s:", "system call", "-e s:NAME, or -S"),
    ("i:", "sample", "-e i:N, or -C profile"),
)
"""Events that a run has from its start or not at all."""


class Extended(Protocol):
    """What of a session is used here (a PreparedSession)."""

    setup: RunSetup
    events: EventSet
    files: GuestFiles
    arch: ArchOps

    def probe(self, spec: str | EventLine, *consumers: Any) -> Any:
        """Add an event line; its event, None if it has none."""
        ...

    def attach(self, event: Event, consumer: Any) -> None:
        """Attach *consumer*."""
        ...

    def remove(self, event: Event | str) -> None:
        """Take an event out."""
        ...


class Attached:
    """The share of one client.

    :param group: of events that name none; functions are in ``GROUP_LIBRARY``
    """

    def __init__(self, session: Extended, wire: Wire, group: str) -> None:
        self._session, self._group = session, group
        self._records = _Records(wire)
        self._events: list[Event] = []
        self._consumers: list[tuple[ConsumerUse, Any]] = []

    def add(self, wanted: Mapping[str, Sequence[str]], note: Callable[[str], None]) -> list[Event]:
        """Add what is *wanted*: texts as of the options of ``uprobe run``.  Raises SpecError, UsageError."""
        loaded = [_loaded(text) for text in wanted["consumers"] or [TRACE]]
        before, added = {id(event) for event in self._session.events.events}, []
        for line in self._lines(wanted, note, records=any(plugin is None for _, plugin in loaded)):
            event = self._session.probe(line)
            if event is None or id(event) in before:
                raise SpecError(f"{line.text}: that event is there already", hint="give it another name")
            added.append(event)
        added = list(dict.fromkeys(added))
        for chosen in wanted["filters"]:
            name, _, expression = chosen.partition(":")
            for event in self._added(f"--filter {chosen}", name, added):
                self._session.events.set_filter(event.full_name, expression)
        for use, plugin in loaded:
            self._consume(use, plugin, added)
        self._events += added
        self._consumers += [(use, plugin) for use, plugin in loaded if plugin is not None]
        return added

    def _lines(
        self, wanted: Mapping[str, Sequence[str]], note: Callable[[str], None], *, records: bool
    ) -> list[EventLine]:
        from uprobe_core.tracing.functions import function_lines

        lines = [EventLine(_in_group(text, self._group), "attach") for text in wanted["events"]]
        if not wanted["functions"]:
            return lines
        setup = replace(
            self._session.setup, functions=tuple(wanted["functions"]), exclude=tuple(wanted["exclude"])
        )
        resolver = self._session.events.table.language.resolver
        found = function_lines(
            setup,
            self._session.files,
            self._session.arch,
            resolver,
            records=records,
            frames=False,
            typed=True,
            warn=note,
        )
        return [
            *lines,
            *(replace(line, text=line.text.replace(":", f":{self._group}_", 1)) for line in found),
        ]

    def _consume(self, use: ConsumerUse, plugin: Any, added: Sequence[Event]) -> None:
        events = added if use.event is None else self._added(f"-C {use.name}", use.event, added)
        begin = None if plugin is None else asked(plugin, "begin", None, use.name)
        if begin is not None:
            with blaming(use.name, "begin"):
                begin(self._session)
        for event in events:
            self._session.attach(event, self._records.on(event) if plugin is None else plugin)

    def _added(self, option: str, name: str, added: Sequence[Event]) -> list[Event]:
        """Those of *added* that are called *name*; raises UsageError."""
        named = self._session.events.find(name)
        events = [event for event in added if event in named]
        if not events:
            raise UsageError(f"{option}: event {name} is not one of those that are added")
        return events

    def report(self) -> str:
        """What the consumers have found so far, for people."""
        return "\n".join(ConsumerReports(self._consumers).lines())

    def remove(self) -> None:
        """Take all of it out again."""
        for event in self._events:
            self._session.remove(event)


class _Records:
    """Sends the records of events to who has asked for them, also from forked processes."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._lost, self._late = wire, 0, False

    def on(self, event: Event) -> Any:
        """What is attached to *event*."""
        return _Sink(event, self._send)

    def _send(self, hit: Hit, event: Event) -> None:
        record = make_record(hit, event)
        args = dict(zip(event.names, record.values, strict=False))
        message: dict[str, Any] = {"kind": "record", "text": format_record(record), "event": event.full_name}
        message |= {"timestamp_ns": record.timestamp_ns, "pid": record.pid, "tid": record.tid}
        message["comm"] = record.comm
        message["args"] = {name: _plain(value) for name, value in args.items()}
        try:
            if self._lost:
                self._put({"kind": "lost", "count": self._lost})
                self._lost = 0
            self._put(message)
            self._late = False
        except OSError as error:
            self._lost += 1
            # Once somebody has kept the program waiting it does not wait for him again until he reads.
            self._late = self._late or error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)

    def _put(self, message: dict[str, Any]) -> None:
        self._wire.send(message, wait=not self._late)


class _Sink:
    """One event of a stream."""

    name = "attach"
    merge = None

    def __init__(self, event: Event, send: Callable[[Hit, Event], None]) -> None:
        setattr(self, "ret_handler" if event.is_return else "handler", lambda hit: send(hit, event))


def _loaded(text: str) -> tuple[ConsumerUse, Any]:
    """A consumer for events that are added; None as its plugin: it is records.  Raises UsageError."""
    use = ConsumerUse.parse(text)
    if use.name == TRACE:
        return use, None
    plugin = load_consumer(use.name, use.options)
    if (
        asked(plugin, "wants_code", False, use.name)
        or asked(plugin, "event_lines", None, use.name) is not None
    ):
        raise UsageError(
            f"-C {text}: {use.name} is of a whole run, not of events",
            hint=f"start it with uprobe run -C {use.name}",
        )
    return use, plugin


def _in_group(line: str, group: str) -> str:
    """*line* with its event in *group*, unless it names one."""
    found = _HEAD.fullmatch(line.strip())
    if found is None or "/" in (found[2] or ""):
        for start, what, hint in _FROM_THE_START:
            if line.lstrip().startswith(start):
                raise SpecError(f"{line}: no {what} can be added", hint=f"start the run with {hint}")
        return line
    return f"{found[1]}:{group}/{found[2] or ''}{found[3]}"


def _plain(value: Value) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | str | type(None)) else str(value)
