"""What is said between a run and who controls it: JSON objects, over a socket that keeps messages whole.

A message of the run's that is not an answer has "kind": "record" (a hit), "lost" (hits that had no room)
or "end" (of the run).  Whole messages let forked processes of the program write to the same socket.
One that is too long for a packet comes as several of "kind": "part", with its text in pieces.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import Any

from uprobe_core.errors import UprobeError, UsageError

__all__ = ("LONGEST", "Hangup", "Wire", "error_message", "raised")

LONGEST = 1 << 16
"""Bytes of a packet."""
_PIECE = 30_000
"""Characters of a long message in a packet: in JSON each of them is one byte or two."""
_MOST_PIECES = 1024


class Hangup(Exception):  # noqa: N818  # it is what happened
    """The other side is gone, or says what is no message."""


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._pieces: dict[str, list[str]] = {}
        """Of long messages that are on their way, by who sends them."""

    def send(self, message: dict[str, Any], *, wait: bool = True) -> None:
        """Send one message; raises OSError.

        :param wait: for a reader who is late
        """
        text, flags = json.dumps(message), 0 if wait else socket.MSG_DONTWAIT
        if len(text) <= LONGEST:
            self.connection.send(text.encode(), flags)
            return
        sender = f"{os.getpid()} {threading.get_ident()}"
        for at in range(0, len(text), _PIECE):
            part = {"kind": "part", "of": sender, "text": text[at : at + _PIECE]}
            self.connection.send(json.dumps({**part, "last": at + _PIECE >= len(text)}).encode(), flags)

    def receive(self) -> dict[str, Any]:
        """The next message; raises Hangup."""
        while True:
            message = self._packet()
            if message.get("kind") != "part":
                return message
            pieces = self._pieces.setdefault(str(message.get("of")), [])
            pieces.append(str(message.get("text")))
            if len(pieces) > _MOST_PIECES:
                raise Hangup("that is too long")
            if message.get("last"):
                del self._pieces[str(message.get("of"))]
                return _parsed("".join(pieces))

    def _packet(self) -> dict[str, Any]:
        try:
            data = self.connection.recv(LONGEST)
        except OSError as error:
            raise Hangup from error
        if not data:
            raise Hangup
        return _parsed(data)

    def close(self) -> None:
        """Hang up; idempotent."""
        self.connection.close()


def _parsed(data: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Hangup("that is no JSON") from error
    if not isinstance(message, dict):
        raise Hangup("that is no object")
    return message


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
