"""Sockets in a network of the run's own: loopback works, nothing else is there.

The network namespace is kept by a process (:mod:`uprobe_linux.net.net_keeper`) that is started when the first
guest asks for an internet socket; all processes of the run find it by a name.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import time

__all__ = ("PrivateNetwork",)


class PrivateNetwork:
    """One per machine, made before its first fork.

    :param run: a word that all processes of the run share and no other run has
    """

    def __init__(self, run: str) -> None:
        self._name = f"\0uprobe-net-{run}"
        # The keeper ends when every process of the run has closed the writing end, whatever ended them.
        self._keepers_end, self._our_end = os.pipe()

    def make(self, family: int, kind: int, protocol: int) -> int:
        """A new host descriptor of a socket in the private network; raises OSError.

        EACCES where the host allows no network namespace: then there is no network at all.
        """
        with self._connected() as client:
            client.send(struct.pack("iii", family, kind, protocol))
            data, fds, _, _ = socket.recv_fds(client, 4, 1)
        error = struct.unpack("i", data)[0] if len(data) == 4 else errno.ENETDOWN
        if error:
            number = errno.EACCES if error in (errno.EPERM, errno.ENOSPC, errno.EINVAL) and not fds else error
            raise OSError(number, os.strerror(number))
        os.set_inheritable(fds[0], False)
        return fds[0]

    def _connected(self) -> socket.socket:
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                client.connect(self._name)
            except ConnectionRefusedError:
                client.close()
                try:
                    self._start()
                except PermissionError:  # this process has given up the right to start programs
                    raise OSError(errno.EACCES, os.strerror(errno.EACCES)) from None
            else:
                return client
        raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))

    def _start(self) -> None:
        """Start the keeper, unless another process of the run is just doing so."""
        import subprocess  # few programs use sockets: not at every start

        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with listener:
            try:
                listener.bind(self._name)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                time.sleep(0.02)
                return
            listener.listen(64)
            program = os.path.join(os.path.dirname(__file__), "net_keeper.py")
            inherited = (listener.fileno(), self._keepers_end)
            command = [sys.executable, "-I", "-S", program, *map(str, inherited)]
            process = subprocess.Popen(
                command,
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
            process.wait()

    def close(self) -> None:
        """Let go of the keeper; idempotent."""
        for fd in (self._keepers_end, self._our_end):
            if fd >= 0:
                os.close(fd)
        self._keepers_end = self._our_end = -1
