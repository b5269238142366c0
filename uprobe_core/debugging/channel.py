"""Python values between processes of one run, over a socket pair."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

__all__ = ("Channel", "Closed")

_LENGTH = struct.Struct("=Q")


class Closed(Exception):  # noqa: N818  # it is what happened
    """The other process is gone."""


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """Our end, and the other one as it is given away."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def send(self, value: Any, descriptor: int | None = None) -> None:
        """Send *value*, and with it a descriptor; raises Closed."""
        data = pickle.dumps(value)
        try:
            head = _LENGTH.pack(len(data))
            if descriptor is None:
                self.end.sendall(head)
            else:
                socket.send_fds(self.end, [head], [descriptor])
            self.end.sendall(data)
        except OSError as error:
            raise Closed from error

    def receive(self) -> tuple[Any, int | None]:
        """The next value and the descriptor that came with it; raises Closed."""
        try:
            head, descriptors, _flags, _address = socket.recv_fds(self.end, _LENGTH.size, 1)
            head += self._exactly(_LENGTH.size - len(head)) if head else b""
            if not head:
                raise Closed
            data = self._exactly(_LENGTH.unpack(head)[0])
        except OSError as error:
            raise Closed from error
        value = pickle.loads(data)  # noqa: S301  # from a process that we forked
        return value, descriptors[0] if descriptors else None

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            part = self.end.recv(size - len(found))
            if not part:
                raise Closed
            found += part
        return bytes(found)

    def close(self) -> None:
        """Hang up; idempotent."""
        self.end.close()
