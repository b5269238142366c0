"""What a run must not leave behind, also when it is killed: its folder of temporary files.

Nobody can do anything after a kill -9, so somebody else waits for it: a shell of its own, a few hundred
kilobytes, that reads from a pipe whose other end only the run holds. It is there before the run confines
itself, and so may remove what the run itself may not.
"""

from __future__ import annotations

import contextlib
import os
import weakref

__all__ = ("Caretaker",)

_SHELL = "/bin/sh"
_SCRIPT = 'trap "" HUP INT TERM; read -r word || [ -L "$0" ] || { chmod -R u+rwx "$0"; rm -rf "$0"; }'
"""At the end of the pipe without a word the folder goes; the program may have made it hard to remove.

Its name can be read before it is there, so it may be somebody's link.
"""


class Caretaker:
    """One for a run.

    :ivar folder: a new folder of the run's own, that nobody else may enter
    """

    def __init__(self) -> None:
        self.folder = os.path.abspath(
            os.path.join(os.environ.get("TMPDIR") or "/tmp", f"uprobe-{os.urandom(6).hex()}")  # noqa: S108
        )
        self._pid, self._pipe = -1, -1
        self._start()  # first, so that there is no moment at which a kill leaves the folder
        try:
            os.mkdir(self.folder, 0o700)
        except OSError:  # another place is to be looked for
            import tempfile  # not needed to start

            _dismiss(self._pid, self._pipe)
            self.folder = tempfile.mkdtemp(prefix="uprobe-")
            self._start()
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _end, self._pid, self._pipe, self.folder, self._owner)

    def _start(self) -> None:
        reader, self._pipe = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, reader, 0),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
        ]
        command = ["sh", "-c", _SCRIPT, self.folder]
        try:
            self._pid = os.posix_spawn(
                _SHELL, command, {"PATH": os.defpath}, file_actions=actions, setsid=True
            )
        except OSError:  # no shell, or no more processes: the run itself removes what it can
            self._pid = -1
        finally:
            os.close(reader)

    def forget(self) -> None:
        """In a forked process: the run is somebody else."""
        if self._end.detach() is not None:
            os.close(self._pipe)

    def end(self) -> None:
        """The run is over: nothing of the folder is there when this returns; idempotent."""
        self._end()


def _end(pid: int, pipe: int, folder: str, owner: int) -> None:
    if os.getpid() == owner:
        _dismiss(pid, pipe, is_done=not os.path.lexists(folder))


def _dismiss(pid: int, pipe: int, *, is_done: bool = True) -> None:
    """Have the shell end; unless it *is_done* already, after it has removed the folder."""
    if is_done:
        with contextlib.suppress(OSError):
            os.write(pipe, b"done\n")
    os.close(pipe)
    if pid > 0:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
