"""A run that waits for gdb, spoken to packet by packet."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

from tests.debugging.visits import PATIENCE, wait_until
from uprobe_core.debugging.packets import framed, take

__all__ = ("Asked", "exchange")


class Asked:
    """A run that waits for gdb at *address*, spoken to without one.

    :ivar where: what it says one connects to
    """

    def __init__(self, run: subprocess.Popen[bytes], folder: Path) -> None:
        assert wait_until(lambda: "target remote" in (folder / "err").read_text(), run)
        self.where = re.findall(r"target remote (\S+)'", (folder / "err").read_text())[-1]

    def connect(self) -> socket.socket:
        """A connection; raises OSError."""
        host, _, port = self.where.rpartition(":")
        if host:
            return socket.create_connection((host, int(port)), timeout=PATIENCE)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        try:
            connection.connect(self.where)
        except OSError:
            connection.close()
            raise
        return connection


def exchange(connection: socket.socket, payload: bytes) -> bytes:
    """What a packet is answered."""
    connection.sendall(framed(payload))
    buffer, found = bytearray(), None
    while found is None:
        data = connection.recv(1 << 16)
        assert data
        buffer += data
        found = take(buffer)
    return found
