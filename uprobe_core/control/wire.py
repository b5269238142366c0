"""What is said between a run and who controls it: JSON objects, over a socket that keeps messages whole.

A message of the run's that is not an answer has "kind": "record" (a hit), "lost" (hits that had no room)
or "end" (of the run).  Whole messages let forked processes of the program write to the same socket.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from uprobe_core.errors import UprobeError, UsageError

__all__ = ("LONGEST", "Hangup", "Wire", "error_message", "raised")

LONGEST = 1 << 16
"""Bytes of a message."""


class Hangup(Exception):  # noqa: N818  # it is what happened
    """The other side is gone, or says what is no message."""


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, message: dict[str, Any], *, wait: bool = True) -> None:
        """Send one message; raises OSError, also for one that is too long.

        :param wait: for a reader who is late
        """
        self.connection.send(json.dumps(message).encode(), 0 if wait else socket.MSG_DONTWAIT)

    def receive(self) -> dict[str, Any]:
        """The next message; raises Hangup."""
        try:
            data = self.connection.recv(LONGEST)
        except OSError as error:
            raise Hangup from error
        if not data:
            raise Hangup
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Hangup("that is no JSON") from error
        if not isinstance(message, dict):
            raise Hangup("that is no object")
        return message

    def close(self) -> None:
        """Hang up; idempotent."""
        self.connection.close()


def error_message(error: UprobeError) -> dict[str, Any]:
    """*error* as an answer."""
    text = str(error.args[0] if error.args else error)
    return {"kind": "error", "text": text, "hint": error.hint, "slug": error.slug}


def raised(answer: dict[str, Any]) -> dict[str, Any]:
    """*answer*; raises the error if it is one."""
    if answer.get("kind") == "error":
        text, hint, slug = (str(answer.get(part) or "") for part in ("text", "hint", "slug"))
        raise UsageError(text, hint=hint, slug=slug or "usage")
    return answer
