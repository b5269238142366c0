"""What other host processes show of a guest process under /proc: program, working directory, arguments.

Each process writes its own paper into a folder that all host processes of the
machine know; replacing it is atomic, so a reader sees an old or a new one.  As long as no other
process can have its turn a change is only remembered: replacing a file takes the host 0.1 ms, which is
more than all the rest of a chdir(2).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_linux.fs.paths import current_path

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process

__all__ = ("Paper", "Papers")


@dataclass(frozen=True, slots=True)
class Paper:
    """What a process said of itself.

    :param exe: guest path of the program
    :param cwd: guest path of the working directory
    :param cmdline: the arguments, each with its NUL, as in /proc/PID/cmdline
    """

    exe: str
    cwd: str
    cmdline: bytes


class Papers:
    """The papers in *folder* of the host."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._outdated: dict[int, Process] = {}
        """Those that live here and have become something else than their paper says, by pid."""

    def write(self, process: Process) -> None:
        """Write down what *process* is now; a full disk only leaves the old one."""
        self._outdated.pop(process.pid, None)
        content = b"\0".join((os.fsencode(process.exe_path), os.fsencode(_cwd(process)), *process.argv, b""))
        path = os.path.join(self._folder, str(process.pid))
        with contextlib.suppress(OSError):
            file = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                written = os.write(file, content)
            finally:
                os.close(file)
            if written == len(content):
                os.replace(path + ".new", path)

    def renew(self, process: Process, *, at_once: bool) -> None:
        """*process* has become something else: write that down, *at_once* or when we next :meth:`settle`."""
        self._outdated[process.pid] = process
        if at_once:
            self.settle()

    def settle(self) -> None:
        """Others may look from here on: write down what has changed, if there was something to read."""
        for pid, process in tuple(self._outdated.items()):
            if process.exit_code is None and os.path.exists(os.path.join(self._folder, str(pid))):
                self.write(process)
        self._outdated.clear()

    def inherit(self, parent: Process, pid: int) -> None:
        """Process *pid* is a fork of *parent*: it is what that is now."""
        self.settle()
        own, new = (os.path.join(self._folder, str(each)) for each in (parent.pid, pid))
        if not os.path.exists(own):
            self.write(parent)
        with contextlib.suppress(OSError):
            os.link(own, new)

    def read(self, pid: int) -> Paper | None:
        """What process *pid* wrote last, None if nothing."""
        try:
            with open(os.path.join(self._folder, str(pid)), "rb") as file:
                exe, cwd, cmdline = file.read().split(b"\0", 2)
        except (OSError, ValueError):
            return None
        return Paper(os.fsdecode(exe), os.fsdecode(cwd), cmdline)


def _cwd(process: Process) -> str:
    cwd = process.fs.cwd
    try:
        path: str = current_path(cwd)
    except OSError:
        return f"{cwd.path} (deleted)"
    return path
