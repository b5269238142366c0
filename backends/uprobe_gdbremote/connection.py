"""One stub that we talk to, and what it is: somebody's, whose program goes on when we leave, or our own."""

from __future__ import annotations

import os
import re
import socket
import struct
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_gdbremote.address import Address, connect
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.crowd import Crowd
from uprobe_gdbremote.stops import parse_stop

if TYPE_CHECKING:
    from uprobe_gdbremote.launch import Emulator
    from uprobe_gdbremote.stops import Stop
    from uprobe_gdbremote.task import RemoteTask

__all__ = ("Connection",)

_SECONDS = 5.0
"""How long a stub that somebody starts may take to listen."""
_MOMENT, _QUIET = 0.02, 20
"""Seconds for a thread to tell of its stop, and so often nobody has."""
_SIGINT, _SIGQUIT = 2, 3
_COMM_BYTES = 15


def thread_names(document: bytes) -> dict[bytes, str]:
    """The names in a ``qXfer:threads`` document, by thread id."""
    found = {}
    for tag in re.findall(rb"<thread\b[^>]*>", document):
        attributes = dict(re.findall(rb'(\w+)="([^"]*)"', tag))
        if b"id" in attributes and b"name" in attributes:
            found[attributes[b"id"]] = unescape(attributes[b"name"].decode(errors="replace"))
    return found


class Connection:
    """A stub at *address*, or the one of *emulator*, which is ours.

    :param name: what the program is called, where nothing better is known
    :ivar pid: the program's number, 0 if only the stub may know it
    """

    def __init__(self, address: Address, name: str, emulator: Emulator | None = None) -> None:
        self._emulator = emulator
        self.scratch = address.scratch
        self.filters_here, self.all_mappings = address.filters_here, address.all_mappings
        self.pid = 0 if emulator is None else emulator.pid
        self._name = os.path.basename(name)[:_COMM_BYTES]
        made = connect(address, _SECONDS) if emulator is None else emulator.connect()
        channel = Channel(made, str(address))
        if emulator is not None:
            channel.explain = lambda: (why := emulator.gone()) and f" ({why})"
        self.client = Client(channel)
        self.first = self.client.greet()
        self.is_qemu = bool(channel.ask(b"qqemu.sstepbits"))
        self.is_qemu_user = self.is_qemu and self.client.has("qXfer:auxv:read")
        """Whether it executes one program of Linux, not a machine."""
        self.crowd = self._threads_of(made) if emulator is None else emulator.crowd
        """The threads of an emulator on this machine."""
        self._speaker = b""
        self._interrupts = 0
        self.names: dict[bytes, str] | None = None
        """Names of threads by their ids, None: not asked for since the last stop."""
        self._closed = False

    def _threads_of(self, stub: socket.socket) -> Crowd | None:
        """Those of the emulator that listens at *stub*, if that is on this machine, and has one as yet."""
        if not self.is_qemu_user or stub.family != socket.AF_UNIX or len(list(self.client.threads())) != 1:
            return None
        pid, _, _ = struct.unpack("3i", stub.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                return Crowd(pid) if "qemu" in file.read() else None
        except OSError:
            return None

    # --- stopping --------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Ask the running program to stop."""
        self._interrupts += 1
        if self._emulator is not None:
            self._emulator.interrupt()
        else:
            self.client.channel.interrupt()

    def is_own(self, stop: Stop) -> bool:
        """Whether *stop* is what :meth:`interrupt` asked for; each is once."""
        if stop.signal in (0, _SIGINT, _SIGQUIT) and self._interrupts:
            self._interrupts -= 1
            return True
        return False

    @property
    def is_ours(self) -> bool:
        """Whether the program is there only for us, and ends with us."""
        return self._emulator is not None

    def heed(self, thread: bytes) -> None:
        """*thread* has stopped: raises BackendError if others run on that nobody can hold."""
        self._speaker = self._speaker or thread
        if self.is_qemu_user and self.crowd is None and thread not in (b"", self._speaker):
            raise self.client.out_of_step()

    def left_alone(self) -> int:
        """How many children of the program are known to have run without the stub telling of them."""
        return int(self._emulator is not None and self._emulator.has_had_children())

    def detach(self, process: bytes) -> None:
        """Let *process* go on by itself, as the stub calls it; raises Lost."""
        named = process and "multiprocess" in self.client.features
        self.client.channel.ask(b"D;" + process if named else b"D")
        if self.crowd is not None and self.client.crowd is not None:
            self.crowd.let_go()
            self._wake_others()

    def _wake_others(self) -> None:
        """Have threads go on that have stopped as well: the end of the connection would be their own."""
        quiet = 0
        while quiet < _QUIET:
            quiet += 1
            if self.client.channel.receive(_MOMENT) is not None:
                self.client.channel.send(b"c")
                quiet = 0
            else:
                self.client.channel.nudge()

    def leave(self) -> None:
        """Close the connection to a program that was not touched, which goes on if it is not ours.

        A gdbserver that serves once (``--once``) kills what it has started when its connection just ends.
        """
        with suppress(ValueError, BackendError):
            stop = parse_stop(self.first)
            if self._emulator is None and stop.kind == "signal":
                thread = stop.thread or self.client.channel.ask(b"qC").removeprefix(b"QC")
                self.detach(thread.removeprefix(b"p").partition(b".")[0])
        self.close()

    def close(self) -> None:
        """Close the connection, and end what is ours; idempotent."""
        if self._closed:
            return
        self._closed = True
        self.client.channel.close()
        if self._emulator is not None:
            self._emulator.end()

    def kill(self) -> None:
        """End what is ours at once."""
        if self._emulator is not None:
            self._emulator.kill()

    # --- names -----------------------------------------------------------------------------------------

    def comm(self, task: RemoteTask) -> str:
        """The name of *task*: what the emulator's thread is called once the program has named it.

        A stub that lists threads with their names is asked once at each stop.
        """
        if self._emulator is None:
            if self.names is None:
                self.names = thread_names(self.client.object("threads") or b"")
            return self.names.get(task.thread, self._name)
        try:
            with open(f"/proc/{self.pid}/task/{task.tid}/comm", encoding="utf-8", errors="replace") as file:
                found = file.read().rstrip("\n")
        except OSError:
            return self._name
        return self._name if found == self._emulator.comm else found
