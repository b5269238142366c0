"""An emulator of our own: ``qemu-aarch64 -g SOCKET``, with the program's world as the set-up has it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError, TargetError
from uprobe_gdbremote.address import Address, connect
from uprobe_gdbremote.crowd import Crowd

if TYPE_CHECKING:
    import socket

    from uprobe_core.backend import Target
    from uprobe_gdbremote.files import LocalFiles

__all__ = ("Emulator", "find_program")

_SECONDS = 20.0
_FAULTS_OF_CHILDREN = 8
"""Place of cminflt behind the name in /proc/PID/stat (proc_pid_stat(5))."""


def find_program(target: Target, files: LocalFiles) -> tuple[str, str]:
    """The target's path and the local path of its program, found like a shell does; raises TargetError."""
    name = target.argv[0]
    for candidate in _candidates(name, target):
        local = files.local(candidate)
        if os.path.isfile(local):
            if not os.access(local, os.X_OK):
                raise TargetError(f"cannot run {name}: it may not be executed", hint="chmod +x it")
            return candidate, local
    raise TargetError(
        f"{name}: no such program",
        exit_status=127,
        hint="a path is one of this machine, or of the sysroot; --map says where else files are",
    )


def _candidates(name: str, target: Target) -> list[str]:
    cwd = target.cwd or os.getcwd()
    if "/" in name:
        return [os.path.normpath(os.path.join(cwd, name))]
    path = target.env.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return [os.path.join(cwd, folder or ".", name) for folder in path.split(":")]


class Emulator:
    """A process of qemu-user that waits for us on a socket.

    :ivar pid: its number, which is also what the program thinks that it has
    :ivar crowd: its threads
    :ivar comm: what its threads are called, unless the program names them
    """

    def __init__(self, emulator: str, program: str, target: Target, files: LocalFiles) -> None:
        found = shutil.which(emulator)
        if found is None:
            raise BackendError(
                f"there is no {emulator!r} to run the program with",
                hint="install qemu-user, or give its path: --target qemu:PATH",
                slug="no-target",
            )
        self._folder = tempfile.mkdtemp(prefix="uprobe-")
        path = os.path.join(self._folder, "gdb")
        words = [found, "-0", target.argv[0], "-g", path]
        if target.sysroot is not None:
            words += ["-L", target.sysroot]
        try:
            self._process = subprocess.Popen(
                [*words, program, *target.argv[1:]],
                cwd=None if target.cwd is None else files.local(target.cwd),
                env=dict(target.env),
            )
        except OSError as error:
            self._clear()
            raise BackendError(f"cannot start {found}: {error.strerror}") from error
        self._had_children = False
        self.pid = self._process.pid
        # A program that crashes is the program's business; the emulator's own image is nobody's.
        resource.prlimit(
            self.pid, resource.RLIMIT_CORE, (0, resource.prlimit(self.pid, resource.RLIMIT_CORE)[1])
        )
        self.crowd = Crowd(self.pid)
        self.comm = os.path.basename(found)[:15]
        self._address = Address("unix", path)

    def connect(self) -> socket.socket:
        """The connection to it; raises BackendError."""
        try:
            return connect(self._address, _SECONDS, self.gone)
        finally:
            self._clear()
            self.crowd = Crowd(self.pid)

    def gone(self) -> str:
        """How it ended, "" while it runs."""
        status = self._status()
        if status is None:
            return ""
        if status < 0:
            return f"the emulator was killed by {signal.Signals(-status).name}"
        return f"the emulator ended with status {status}"

    def has_had_children(self) -> bool:
        """Whether the program has forked others and waited for them.

        Nothing but the program makes processes here: page faults of children are those of its own.
        """
        if self._process.returncode is None:
            try:
                with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
                    words = file.read().rpartition(")")[2].split()
                self._had_children = int(words[_FAULTS_OF_CHILDREN]) > 0
            except OSError:
                pass  # it says nothing any more
        return self._had_children

    def _status(self) -> int | None:
        """Its status, None while it runs; its children are asked for before the host forgets it."""
        if self._process.returncode is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.has_had_children()
        return self._process.poll()

    def interrupt(self) -> None:
        """Have the program stop soon: the emulator does not look at the connection while it runs.

        SIGQUIT is one of the signals that all its versions take for the program; others end the newer ones.
        """
        self._process.send_signal(signal.SIGQUIT)

    def end(self) -> None:
        """End it if it has not ended; idempotent."""
        latest = time.monotonic() + 0.5
        while self._status() is None:
            if time.monotonic() > latest:
                self.kill()
                return
            time.sleep(0.002)

    def kill(self) -> None:
        """End it at once."""
        self.has_had_children()
        self._process.kill()
        self.crowd.bury()
        self._process.wait()

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
