"""The run's side: a thread that takes connections, and one for each that answers what is asked."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from uprobe_core.control.doors import Door, peer_is_ours
from uprobe_core.control.wire import Hangup, Wire, error_message
from uprobe_core.errors import UprobeError, UsageError

__all__ = ("Controlled", "Server")

_MOST_CLIENTS = 16
_LOOK_MILLISECONDS = 500
_WANTED = ("events", "functions", "exclude", "filters", "consumers")
"""What a request to add may have: lists of texts as of the options of ``uprobe run``."""


class Controlled(Protocol):
    """What is asked of the run, from any thread; raises UprobeError for what is wrong."""

    def add(self, wire: Wire, wanted: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Add what is wanted (see _WANTED), whose records or reports go to *wire*; the answer."""
        ...

    def report(self, wire: Wire) -> dict[str, Any]:
        """What the consumers of *wire* have found so far."""
        ...

    def listing(self) -> dict[str, Any]:
        """All events."""
        ...

    def switch(self, name: str, on: bool) -> dict[str, Any]:
        """Enable or disable an event."""
        ...

    def remove(self, name: str) -> dict[str, Any]:
        """Take an event out."""
        ...

    def gone(self, wire: Wire) -> None:
        """Who was at *wire* is gone, and with him his events."""
        ...


class Server:
    """Serves *doors* until it is ended."""

    def __init__(self, doors: Sequence[Door], run: Controlled) -> None:
        self._doors, self._run = doors, run
        self._wires: dict[Wire, threading.Thread] = {}
        self._over = False

    def begin(self) -> None:
        """Start; the process must have given up its rights before."""
        for door in self._doors:
            door.open()
        threading.Thread(target=self._accept, name="uprobe-control", daemon=True).start()

    def _accept(self) -> None:
        poller = select.poll()
        doors = {door.listener.fileno(): door for door in self._doors}
        for number in doors:
            poller.register(number, select.POLLIN)
        while not self._over:
            for number, _ in poller.poll(_LOOK_MILLISECONDS):
                try:
                    connection, _ = doors[number].listener.accept()
                except OSError:
                    return
                self._meet(connection)

    def _meet(self, connection: socket.socket) -> None:
        if not peer_is_ours(connection) or len(self._wires) >= _MOST_CLIENTS:
            connection.close()
            return
        wire = Wire(connection)
        thread = threading.Thread(target=self._serve, args=(wire,), name="uprobe-client", daemon=True)
        self._wires[wire] = thread
        thread.start()

    def _serve(self, wire: Wire) -> None:
        try:
            while True:
                request = wire.receive()
                try:
                    answer = self._do(wire, request)
                except UprobeError as error:
                    answer = error_message(error)
                wire.send(answer)
        except Hangup as why:
            if why.args:
                with contextlib.suppress(OSError):
                    wire.send(error_message(UsageError(f"the request is not understood: {why}")))
        except OSError:
            pass
        finally:
            self._wires.pop(wire, None)
            with contextlib.suppress(UprobeError):
                self._run.gone(wire)
            wire.close()

    def _do(self, wire: Wire, request: dict[str, Any]) -> dict[str, Any]:
        asked = request.get("do")
        if asked == "add":
            return self._run.add(wire, {key: _texts(request, key) for key in _WANTED})
        if asked == "report":
            return self._run.report(wire)
        if asked == "list":
            return self._run.listing()
        if asked in ("enable", "disable", "remove"):
            name = "".join(_texts(request, "event")[:1])
            return self._run.remove(name) if asked == "remove" else self._run.switch(name, asked == "enable")
        raise UsageError(f"the request is not understood: {asked!r} is nothing that can be done")

    def each(self, tell: Callable[[Wire], None]) -> None:
        """Call *tell* with every connection."""
        for wire in [*self._wires]:
            with contextlib.suppress(OSError):
                tell(wire)

    def end(self) -> None:
        """Nobody new comes in, and those who are here are let go; idempotent."""
        self._over = True
        for door in self._doors:
            door.close()
        for wire in [*self._wires]:
            with contextlib.suppress(OSError):
                wire.connection.shutdown(socket.SHUT_RDWR)


def _texts(request: dict[str, Any], key: str) -> list[str]:
    value = request.get(key, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UsageError(f"the request is not understood: {key} is a list of strings")
    return texts
