"""A stub that answers from a table: for what no emulator does on demand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

from uprobe_gdbremote.packets import frame, split

Answer = bytes | Callable[[bytes], bytes | None]


class Stub:
    """Answers each packet by the longest beginning of it in *answers*, and b"" to the others.

    An answer of None closes the connection.

    :ivar asked: every packet that came
    :ivar client: the other end
    """

    def __init__(self, answers: Mapping[bytes, Answer | None]) -> None:
        self.client, self._own = socket.socketpair()
        self._answers = answers
        self.asked: list[bytes] = []
        self.acknowledged = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        buffer = b""
        with self._own:
            while data := self._own.recv(4096):
                self.acknowledged += data.count(b"+") * (not data.startswith(b"$"))
                buffer += data
                while True:
                    packet, buffer = split(buffer)
                    if packet is None:
                        break
                    if not self._take(packet.data):
                        return

    def _take(self, packet: bytes) -> bool:
        self.asked.append(packet)
        names = [name for name in self._answers if packet.startswith(name)]
        answer = self._answers[max(names, key=len)] if names else b""
        if callable(answer):
            answer = answer(packet)
        if answer is None:
            return False
        self._own.sendall(b"+" + frame(answer))
        return True

    def join(self) -> None:
        """Wait until it has nothing to do any more."""
        self.client.close()
        self._thread.join(5)
