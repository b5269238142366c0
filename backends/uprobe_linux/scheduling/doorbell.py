"""How one host process of a machine wakes another: a datagram with nothing in it.

A socket in the abstract namespace needs no signal handler (which Python allows
only in its main thread), no file to clean up, and no descriptor shared with
processes that did not exist when we forked.  A ring that comes too often, or
from a stranger, costs one look at the mailbox.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ("Doorbell",)


class Doorbell:
    """The bell of this host process.

    :param run: a word that is the same in all processes of one machine and in no other
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._socket = self._open()

    def _open(self) -> socket.socket:
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        bell.bind(self._name(os.getpid()))
        return bell

    def _name(self, host_pid: int) -> str:
        return f"\0uprobe-{self._run}-{host_pid}"

    def fileno(self) -> int:
        """Host descriptor that is readable after a ring, for poll."""
        return self._socket.fileno()

    def ring(self, host_pid: int) -> None:
        """Wake host process *host_pid*; a process that is gone or has rings waiting is no error."""
        with contextlib.suppress(OSError):
            self._socket.sendto(b"\0", self._name(host_pid))

    def answer(self) -> None:
        """Take all rings that came."""
        with contextlib.suppress(OSError):
            while self._socket.recv(16):
                pass

    def after_fork(self) -> None:
        """In the new host process: a bell of its own."""
        self._socket.close()
        self._socket = self._open()

    def close(self) -> None:
        """Give the socket back; idempotent."""
        self._socket.close()
