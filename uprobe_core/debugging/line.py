"""The connection to gdb: packets in and out, and the interrupt that may come while the program runs.

A thread reads, since the running one is in the emulator; it does nothing else.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

from uprobe_core.debugging.packets import INTERRUPT, BadPacketError, framed, take

__all__ = ("Gone", "Line")

_CHUNK = 1 << 16
_LOOK_SECONDS = 0.2


class Gone(Exception):  # noqa: N818  # it is what happened
    """Nobody is at the other end, or the run is to end."""


class Line:
    """Packets over *connection*.

    :param interrupted: called from the reading thread when an interrupt comes while the program runs
    :param is_over: whether the run is to end, whatever gdb says
    """

    def __init__(
        self, connection: socket.socket, interrupted: Callable[[], None], is_over: Callable[[], bool]
    ) -> None:
        self._socket, self._interrupted, self._is_over = connection, interrupted, is_over
        self._packets: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = False
        """Whether the program runs, so that an interrupt is for it."""
        self.acknowledges = True
        self._last = b""
        threading.Thread(target=self._read, name="uprobe-gdb", daemon=True).start()

    def _read(self) -> None:
        buffer = bytearray()
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError:
                data = b""
            if not data:
                self._packets.put(None)
                self._interrupted()
                return
            if data[:1] == b"-" and self.acknowledges:
                self._send(self._last)
            buffer += data
            self._take_all(buffer)

    def _take_all(self, buffer: bytearray) -> None:
        while True:
            try:
                packet = take(buffer)
            except BadPacketError:
                self._send(b"-")
                continue
            if packet is None:
                return
            if packet == INTERRUPT:
                with self._lock:
                    if not self._running:
                        self._packets.put(INTERRUPT)
                        continue
                self._interrupted()
                continue
            if self.acknowledges:
                self._send(b"+")
            self._packets.put(packet)

    def receive(self) -> bytes:
        """The next packet; raises Gone."""
        while True:
            try:
                packet = self._packets.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._is_over():
                    raise Gone from None
                continue
            if packet is None:
                raise Gone
            if packet != INTERRUPT:  # of what has stopped by itself before it came
                return packet

    @property
    def running(self) -> bool:
        """Whether the program runs."""
        return self._running

    def resume(self) -> None:
        """The program runs: an interrupt may have come right behind the packet that lets it."""
        with self._lock:
            self._running, came = True, []
            while not self._packets.empty():
                came.append(self._packets.get())
        if None in came:
            self._packets.put(None)
        if INTERRUPT in came:
            self._interrupted()

    def stop(self) -> None:
        """It stands still."""
        with self._lock:
            self._running = False

    def send(self, payload: bytes) -> None:
        """Send *payload* as a packet."""
        self._last = framed(payload)
        self._send(self._last)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def close(self) -> None:
        """Hang up; idempotent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
