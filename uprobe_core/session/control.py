"""``--control``: events of a run that others add, switch and remove while it runs."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from uprobe_core.control.doors import Door, SocketFiles, runtime_folder
from uprobe_core.control.server import Server
from uprobe_core.errors import UsageError
from uprobe_core.session.attached import Attached, Extended

if TYPE_CHECKING:
    from uprobe_core.backend import ExitStatus
    from uprobe_core.control.wire import Wire
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.tracing.event import Event

__all__ = ("Control",)

T = TypeVar("T")

_FORKED = "processes that were forked before are not probed, those that are forked from here on are"
_PATIENCE_SECONDS = 1.0
"""How long the program waits for somebody who does not read."""


class _Changeable(Extended, Protocol):
    """What of a session is used here (a PreparedSession)."""

    spool: Spool

    def change(self, function: Callable[[], T]) -> T:
        """Do *function* all at once, at a safe point."""
        ...

    def enable(self, event: Event | str, on: bool = True) -> None:
        """Switch an event."""
        ...


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
        self._clients: dict[Wire, Attached] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._begun = False
        self._status: ExitStatus | None = None

    def begin(self) -> None:
        """The program is about to run."""
        self._begun = True
        self._server.begin()

    # --- what others ask -----------------------------------------------------------------------------------

    def add(self, wire: Wire, wanted: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Add events whose records, or what consumers find in them, go to *wire*."""
        with self._lock:
            client = self._clients.get(wire)
            if client is None:
                self._number += 1
                client = self._clients[wire] = Attached(self._session, wire, f"attached{self._number}")
                wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_PATIENCE_SECONDS))
        notes: list[str] = []
        added: list[Event] = self._session.change(lambda: client.add(wanted, notes.append))
        if self._session.spool.forked:
            notes.append(_FORKED)
        names = [event.full_name for event in added]
        return {"kind": "answer", "events": names, "notes": notes}

    def report(self, wire: Wire) -> dict[str, Any]:
        """What the consumers of *wire* have found so far."""

        def look() -> str:
            self._sync()
            return self._found(wire)

        return {"kind": "answer", "report": self._session.change(look)}

    def _sync(self) -> None:
        if self._session.events.findings.sync is not None:
            self._session.events.findings.sync()

    def listing(self) -> dict[str, Any]:
        """All events, with what was counted so far."""

        def look() -> list[dict[str, Any]]:
            self._sync()
            found = self._session.events
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
        client = self._clients.pop(wire, None)
        if client is not None:
            client.remove()

    # --- the end -----------------------------------------------------------------------------------------

    def in_child(self) -> None:
        """This is a process of the program's: nobody speaks to it, but its records are sent."""
        self._files.forget()
        for door in self._doors:
            door.close()

    def finish(self, status: ExitStatus | None) -> None:
        """The program has ended; what forked processes have found is still to come."""
        self._status = status

    def tell_end(self) -> None:
        """All has come: those who are here are told how the run has ended, and what they have found."""
        if not self._begun:
            return
        message: dict[str, Any] = {"kind": "end"}
        if self._status is not None:
            message |= {"status": self._status.shell_status, "reason": self._status.reason}
        self._server.each(lambda wire: wire.send({**message, "report": self._found(wire)}))
        self._server.end()

    def _found(self, wire: Wire) -> str:
        client = self._clients.get(wire)
        return "" if client is None else client.report()

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


def _timeval(seconds: float) -> bytes:
    import struct

    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
