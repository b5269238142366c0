"""Conversations with a real stub: recorded once, and given again to a client that says the same.

``python -m tests.gdbremote.recorded FILE ARGUMENTS...`` runs ``uprobe run ARGUMENTS`` and writes what went
over the wire: a line for each packet, ``>`` or ``<`` and the payload as Python writes bytes.  Those in
``tests/data/gdbremote`` are of examples/loop with argument 2 and of the case "forks", under gdbserver 13.1 on
a 6.12 kernel; a client that says something else needs new ones.
"""

from __future__ import annotations

import ast
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.packets import Packet, escaped, frame, split

__all__ = ("Replay", "record")


def record(path: Path, arguments: list[str]) -> int:
    """Run the command with a tap on its channel."""
    from uprobe_core.cli import main

    lines: list[str] = []
    send, take = Channel.send, Channel._take

    def tapped_send(self: Channel, payload: bytes) -> None:
        lines.append(f"> {payload!r}")
        send(self, payload)

    def tapped_take(self: Channel, packet: Packet) -> bool:
        lines.append(f"< {packet.data!r}")
        return take(self, packet)

    vars_of: Any = Channel
    vars_of.send, vars_of._take = tapped_send, tapped_take
    status = main(["run", *arguments])
    path.write_text("".join(f"{line}\n" for line in lines))
    return status


class Replay:
    """A stub at a socket of *path* that says what was recorded, to a client that asks the same.

    :ivar wrong: the first packet that was not the recorded one, with that; "" if all were
    """

    def __init__(self, recording: Path, path: str) -> None:
        rows = [line.split(" ", 1) for line in recording.read_text().splitlines()]
        self._rows = [(kind, ast.literal_eval(text)) for kind, text in rows]
        self.wrong = ""
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        buffer, at = b"", 0
        with connection:
            while at < len(self._rows) and not self.wrong:
                kind, payload = self._rows[at]
                at += 1
                if kind == "<":
                    connection.sendall(b"+" + frame(escaped(payload)))
                    continue
                packet, buffer = split(buffer)
                while packet is None:
                    data = connection.recv(4096)
                    if not data:
                        self.wrong = f"it left instead of asking {payload!r}"
                        return
                    packet, buffer = split(buffer + data)
                if packet.data != payload:
                    self.wrong = f"it asked {packet.data!r} instead of {payload!r}"

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(5)
        self._server.close()


if __name__ == "__main__":
    sys.exit(record(Path(sys.argv[1]), sys.argv[2:]))
