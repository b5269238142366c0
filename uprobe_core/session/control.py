"""``--control``: events of a run that others add, switch and remove while it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from uprobe_core.control.doors import Door, SocketFiles, runtime_folder
from uprobe_core.control.server import Server
from uprobe_core.errors import SpecError, UsageError
from uprobe_core.events.trace_text import format_record
from uprobe_core.tracing.findings import make_record

if TYPE_CHECKING:
    from uprobe_core.backend import ExitStatus
    from uprobe_core.consumer import Hit
    from uprobe_core.control.wire import Wire
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.tracing.event import Event
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Control",)

T = TypeVar("T")

_HEAD = re.compile(r"([pr]\d*)(?::(\S*))?(\s.*)", re.DOTALL)
_FROM_THE_START = (
    ("s:", "system call", "-e s:NAME, or -S"),
    ("i:", "sample", "-e i:N, or -C profile"),
)
"""Events that a run has from its start or not at all."""
_PATIENCE_SECONDS = 1.0
"""How long the program waits for somebody who does not read."""


class _Changeable(Protocol):
    """What of a session is used here (a PreparedSession)."""

    setup: RunSetup
    events: EventSet
    spool: Spool

    def probe(self, spec: str, *consumers: Any) -> Any:
        """Add an event line with its consumers."""
        ...

    def change(self, function: Callable[[], T]) -> T:
        """Do *function* all at once, at a safe point."""
        ...

    def attach(self, event: Event, consumer: Any) -> None:
        """Attach *consumer*."""
        ...

    def remove(self, event: Event | str) -> None:
        """Take an event out."""
        ...

    def enable(self, event: Event | str, on: bool = True) -> None:
        """Switch an event."""
        ...


class _Stream:
    """A consumer that sends each record to who has asked for it, also from forked processes."""

    name = "attach"
    merge = None

    def __init__(self, wire: Wire) -> None:
        self._wire, self._lost, self._late = wire, 0, False
        self.events: list[Event] = []

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


class Control:
    """What others may do to a run; its sockets are there before it gives up its rights.

    :param path: where its socket is made as well; "auto": only where it is found by its process id
    """

    def __init__(self, session: _Changeable, path: str) -> None:
        self._session = session
        _refuse_within_reach(path, session.setup)
        doors = [] if path == "auto" else [Door.unix(path, socket.SOCK_SEQPACKET)]
        doors += _found_by_number(required=path == "auto")
        self._doors = doors
        self._files = SocketFiles([door.path for door in doors])
        self._server = Server(doors, self)
        self._streams: dict[Wire, _Stream] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._begun = False

    def begin(self) -> None:
        """The program is about to run."""
        self._begun = True
        self._server.begin()

    # --- what others ask -----------------------------------------------------------------------------------

    def add(self, wire: Wire, lines: Sequence[str], filters: Sequence[str]) -> dict[str, Any]:
        """Add events whose records go to *wire*."""
        with self._lock:
            stream = self._streams.get(wire)
            if stream is None:
                stream = self._streams[wire] = _Stream(wire)
                self._number += 1
                wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_PATIENCE_SECONDS))
            group = f"attached{self._number}"
        added: list[Event] = self._session.change(lambda: self._add(stream, group, lines, filters))
        note = (
            "processes that were forked before are not probed, those that are forked from here on are"
            if self._session.spool.forked
            else ""
        )
        return {"kind": "answer", "events": [event.full_name for event in added], "note": note}

    def _add(self, stream: _Stream, group: str, lines: Sequence[str], filters: Sequence[str]) -> list[Event]:
        events, added = self._session.events, []
        for line in lines:
            before = {id(event) for event in events.events}
            self._session.probe(_in_group(line, group))
            new = [event for event in events.events if id(event) not in before]
            if not new:
                raise SpecError(f"{line}: that event is there already", hint="give it another name")
            added += new
        for chosen in filters:
            name, _, expression = chosen.partition(":")
            events.set_filter(name, expression)
        for event in added:
            self._session.attach(event, stream.on(event))
        stream.events += added
        return added

    def listing(self) -> dict[str, Any]:
        """All events, with what was counted so far."""

        def look() -> list[dict[str, Any]]:
            found = self._session.events
            if found.findings.sync is not None:
                found.findings.sync()
            totals = {total.name: total.tallies["hits"] for total in found.findings.totals()}
            return [
                {
                    "event": event.full_name,
                    "kind": event.spec.kind,
                    "line": " ".join(str(probe.spec.line) for probe in event.probes)[:4096],
                    "enabled": event.enabled,
                    "hits": totals.get(event.full_name, 0),
                }
                for event in found.events
            ]

        rows = self._session.change(look)
        return {"kind": "answer", "pid": os.getpid(), "events": rows}

    def switch(self, name: str, on: bool) -> dict[str, Any]:
        """Enable or disable an event."""
        self._session.enable(name, on)
        return {"kind": "answer"}

    def remove(self, name: str) -> dict[str, Any]:
        """Take an event out; what it has found stays."""
        self._session.remove(name)
        return {"kind": "answer"}

    def gone(self, wire: Wire) -> None:
        """His events go with him."""
        stream = self._streams.pop(wire, None)
        if stream is not None:
            for event in stream.events:
                self._session.remove(event)

    # --- the end -----------------------------------------------------------------------------------------

    def in_child(self) -> None:
        """This is a process of the program's: nobody speaks to it, but its records are sent."""
        self._files.forget()
        for door in self._doors:
            door.close()

    def finish(self, status: ExitStatus | None) -> None:
        """The run has ended: those who are here are told how."""
        if not self._begun:
            return
        message: dict[str, Any] = {"kind": "end"}
        if status is not None:
            message |= {"status": status.shell_status, "reason": status.reason}
        self._server.each(lambda wire: wire.send(message))
        self._server.end()

    def close(self) -> None:
        """Give the sockets back; idempotent."""
        self._server.end()
        self._files.remove()


def _refuse_within_reach(path: str, setup: RunSetup) -> None:
    """Raise UsageError where the program could put a socket of its own in the place of ours."""
    from uprobe_core.confinement.places import places_of

    folder = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), "")
    for place in places_of(setup).writing:
        if path != "auto" and folder.startswith(os.path.join(place, "")):
            raise UsageError(
                f"--control {path} lies in {place}, which the program may write",
                hint="name a path outside of it, or auto: the run is then found by its process id",
                slug="control-socket",
            )


def _found_by_number(*, required: bool) -> list[Door]:
    """The socket by which the run is found by its process id; none where there is no safe place for it."""
    try:
        path = os.path.join(runtime_folder(make=True), f"{os.getpid()}.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a process that had our number: the folder is ours alone
        return [Door.unix(path, socket.SOCK_SEQPACKET)]
    except (OSError, UsageError):
        if required:
            raise
        return []


def _in_group(line: str, group: str) -> str:
    """*line* with its event in *group*, unless it names one."""
    found = _HEAD.fullmatch(line.strip())
    if found is None or "/" in (found[2] or ""):
        for start, what, hint in _FROM_THE_START:
            if line.lstrip().startswith(start):
                raise SpecError(f"{line}: no {what} can be added", hint=f"start the run with {hint}")
        return line
    return f"{found[1]}:{group}/{found[2] or ''}{found[3]}"


def _timeval(seconds: float) -> bytes:
    import struct

    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | str | type(None)) else str(value)
