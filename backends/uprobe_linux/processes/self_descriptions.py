"""What other host processes show of a guest process under /proc: program, working directory, arguments.

Each process writes its own paper into a folder that all host processes of the
machine know; replacing it is atomic, so a reader sees an old or a new one.
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

    def write(self, process: Process) -> None:
        """Write down what *process* is now; a full disk only leaves the old one."""
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

    def renew(self, process: Process) -> None:
        """Write down what *process* has become, if somebody could have read what it was."""
        if os.path.exists(os.path.join(self._folder, str(process.pid))):
            self.write(process)

    def inherit(self, parent: Process, pid: int) -> None:
        """Process *pid* is a fork of *parent*: it is what that is now."""
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
        path: str = current_path(process.fs.mounts, cwd)
    except OSError:
        return f"{cwd.path} (deleted)"
    return path
