"""The connection to a stub: packets go out and come in, acknowledged as long as the stub wants that.

Python's part per packet is what a hit costs, so an acknowledgement waits for
the next packet that goes out, if one follows at once.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable

from uprobe_core.errors import BackendError
from uprobe_gdbremote.packets import INTERRUPT, Packet, frame, split

__all__ = ("PATIENCE", "Channel", "Lost")

PATIENCE = 20.0
"""Seconds that a stub may take to answer."""
_MOMENT_MS = 100
"""Milliseconds after which a read that waits in the kernel comes back: nobody rings it out of there."""
_CHUNK = 1 << 16
_READ = 256
"""Bytes that qemu-user's stub takes at a time, all of them before it goes on (gdb_handlesig in QEMU)."""


class Lost(BackendError):  # noqa: N818  # it is what happened
    """The connection to the target broke; what was recorded until then is kept."""

    slug = "target-lost"


class Channel:
    """Packets over *connection*.

    :param where: the address, for messages
    :ivar acks: whether packets are acknowledged (the protocol begins so)
    :ivar packets: how many were sent
    :ivar spare: acknowledgements sent before each packet, for those of a stub's threads that may want one
    :ivar unread: how many packets the stub has not acknowledged yet, counted while there is *spare*
    """

    def __init__(self, connection: socket.socket, where: str) -> None:
        self._socket, self.where = connection, where
        self.acks = True
        self.packets = 0
        self.spare = self.unread = 0
        self._buffer = b""
        self._owed = b""
        self._last = b""
        self._bell, self._clapper = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._due = self._came = 0
        self._sizes: dict[bytes, int] = {}
        """Bytes of a stop and the answer to what was asked ahead of it."""
        # An answer is waited for in the kernel, without a poll before.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, _MOMENT_MS * 1000))
        self._poll = select.poll()
        for descriptor in (connection.fileno(), self._bell):
            self._poll.register(descriptor, select.POLLIN)
        self.explain: Callable[[], str] = lambda: ""
        """Why the other side may be gone, if that is known."""
        self.counts = False
        """Whether the other side has counted hits that are lost with it."""

    def send(self, payload: bytes) -> None:
        """Send *payload* as a packet; raises Lost."""
        self._last = frame(payload)
        self.packets += 1
        if self.spare:
            self.unread += self.acks
            self._owed += b"+" * self.spare
        self._write(self._owed + self._last)
        self._owed = b""

    def send_both(self, payload: bytes, ahead: bytes) -> None:
        """Send *payload*, which lets the program run, and *ahead*, which qemu-user reads at the next stop.

        Its stub waits for the acknowledgement of what it said last, and of its next word, by single bytes.
        What fills the read between, before the packet's ``$``, it ignores.  Raises Lost.
        """
        self._last = frame(payload)
        self.packets += 2
        stopped = b"+" if self.acks else b""
        self._write(self._owed + self._last.rjust(_READ, b"+") + stopped + frame(ahead))
        self._owed = b""
        self._due, self._came = self._sizes.get(ahead, 0), 0

    def answer_ahead(self, ahead: bytes) -> bytes:
        """The answer to what was asked ahead of the stop that came; raises Lost."""
        answer = self.answer(ahead)
        self._sizes[ahead] = self._came
        return answer

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def ask(self, payload: bytes) -> bytes:
        """Send *payload* and wait for the answer; raises Lost."""
        self.send(payload)
        return self.answer(payload)

    def answer(self, payload: bytes) -> bytes:
        """Wait for the answer to *payload*, which was sent; raises Lost."""
        while True:
            packet = self._next()
            if packet is None:
                if not self._await():
                    what = payload[:40].decode(errors="replace")
                    raise self._lost(f"no answer to {what!r} in {PATIENCE:g} s")
            elif self._take(packet):
                return packet.data

    def receive(self, seconds: float | None, *, until_rung: bool = False) -> bytes | None:
        """The next packet; None after *seconds* without one, and if it was *until_rung*.

        Raises Lost.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        if self._due:
            due, self._due = self._due, 0
            # A stop is likely, and is waited for once, with what follows it.
            self._fill(socket.MSG_WAITALL, due)
        while True:
            packet = self._next()
            if packet is not None:
                if self._take(packet):
                    return packet.data
                continue
            if not self._wait(deadline, until_rung=until_rung):
                return None

    def _next(self) -> Packet | None:
        """The first packet that has come; acknowledgements before it are counted where that matters."""
        if not self._buffer:
            return None
        if self.spare:
            begin = self._buffer.find(b"$")
            self.unread -= self._buffer.count(b"+", 0, begin if begin >= 0 else len(self._buffer))
        packet, self._buffer = split(self._buffer)
        return packet

    def _take(self, packet: Packet) -> bool:
        """Acknowledge *packet*; whether it is one that was waited for."""
        if packet.notification:
            return False
        if self.acks:
            self._owed = b"+" if packet.good else b""
            if not packet.good:
                self._write(b"-")
        return packet.good

    def settle(self) -> None:
        """Send the acknowledgement that is owed: nothing else may follow for a while."""
        if self._owed:
            self._write(self._owed)
            self._owed = b""

    def nudge(self) -> None:
        """Have whoever reads at the other end read something that says nothing."""
        self._write(b"+")

    def greet_others(self) -> None:
        """Acknowledge what any thread of the stub may have told."""
        self._write(b"+" * self.spare)

    def settle_all(self) -> None:
        """Wait until the stub has acknowledged everything, or something else has come; raises Lost."""
        while self.unread > 0 and b"$" not in self._buffer:
            if not self._await():
                raise self._lost(f"it does not read, for {PATIENCE:g} s")
            begin = self._buffer.find(b"$")
            end = begin if begin >= 0 else len(self._buffer)
            self.unread -= self._buffer.count(b"+", 0, end)
            self._buffer = self._buffer[end:]

    def _wait(self, deadline: float | None, *, until_rung: bool) -> bool:
        """Wait for bytes and take them; False if the time is over or the bell rang."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = [descriptor for descriptor, _ in self._poll.poll(left)]
        if self._bell in ready:
            os.read(self._bell, 64)
            if until_rung:
                return False
        if self._socket.fileno() in ready:
            return self._fill(socket.MSG_DONTWAIT)
        return bool(ready)

    def _await(self) -> bool:
        """Take what comes; False if nothing does, in PATIENCE."""
        return any(self._fill(0) for _ in range(int(PATIENCE * 1000 / _MOMENT_MS)))

    def _fill(self, flags: int, size: int = _CHUNK) -> bool:
        """Take at most *size* bytes that have come; False if none have, in a moment."""
        try:
            data = self._socket.recv(size, flags)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost("it closed the connection")
        if data[:1] == b"-" and self.acks and not self._buffer:  # else it is in the middle of a packet
            self._write(self._last)
        self._came += len(data)
        self._buffer += data
        return True

    def _lost(self, what: str) -> Lost:
        but = ", but not the hits that the target alone has counted" if self.counts else ""
        return Lost(
            f"the connection to {self.where} is lost: {what}{self.explain()}",
            hint=f"what was recorded is kept{but}; look at the target, then start it and the run again",
        )

    def ring(self) -> None:
        """Have a ``receive(until_rung=True)`` return; from any thread and from signal handlers."""
        try:
            os.write(self._clapper, b"!")
        except BlockingIOError:
            pass  # it is ringing
        except OSError:
            pass  # it is closed

    def interrupt(self) -> None:
        """Ask a running target to stop."""
        self._write(self._owed + INTERRUPT)
        self._owed = b""

    def close(self) -> None:
        """Close the connection; idempotent."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            os.close(self._bell)
            os.close(self._clapper)
