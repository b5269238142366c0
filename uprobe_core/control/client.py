"""The other side: finding a run by its number or socket, and asking it."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from typing import Any

from uprobe_core.control.doors import runtime_folder
from uprobe_core.control.wire import Hangup, Wire, raised
from uprobe_core.errors import UsageError

__all__ = ("RunControl", "socket_of")

_WAITS = (0.05, 0.1, 0.2, 0.4)
"""Seconds between tries at a socket at which nobody listens."""


def socket_of(where: str) -> str:
    """The path of the socket of a run: *where* is its process id or the path; raises UsageError."""
    if not where.isdigit():
        return where
    try:
        path = os.path.join(runtime_folder(), f"{where}.sock")
    except FileNotFoundError:
        path = ""
    if not path or not os.path.lexists(path):
        raise UsageError(
            f"no run with process id {where} can be controlled",
            hint="you must have started it with uprobe run --control; its socket's path does as well",
            slug="no-run",
        )
    return path


def _connect(connection: socket.socket, path: str) -> None:
    """Connect to *path*, which is there before the run that made it listens.  Raises OSError."""
    for seconds in _WAITS:
        try:
            connection.connect(path)
        except ConnectionRefusedError:
            time.sleep(seconds)
        else:
            return
    connection.connect(path)


class RunControl:
    """A connection to the run at *where*; raises UsageError if there is none."""

    def __init__(self, where: str) -> None:
        path = socket_of(where)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            status = os.lstat(path)
            if not stat.S_ISSOCK(status.st_mode):
                raise OSError(0, "it is no socket")
            if status.st_uid != os.geteuid():
                raise OSError(0, "it is another user's")
            _connect(connection, path)
        except OSError as error:
            connection.close()
            raise UsageError(
                f"cannot speak to the run at {path}: {(error.strerror or str(error)).lower()}",
                hint="is it still running? uprobe run --control PATH makes the socket",
                slug="no-run",
            ) from None
        self._wire = Wire(connection)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to *request*; raises UsageError for an error of the run's, or if it is gone."""
        try:
            self._wire.send(request)
            while True:
                answer = self._wire.receive()
                if answer.get("kind") in ("answer", "error"):
                    return raised(answer)
        except (Hangup, OSError):
            raise UsageError("the run has ended, or does not want to speak to us", slug="no-run") from None

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the run says from here on, until it ends or is gone."""
        while True:
            try:
                message = self._wire.receive()
            except Hangup:
                return
            yield message
            if message.get("kind") == "end":
                return

    def close(self) -> None:
        """Hang up; what was added over this connection goes."""
        self._wire.close()
