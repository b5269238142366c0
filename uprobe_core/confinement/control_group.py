"""A control group for a run that may use so much memory: the host's kernel counts, and holds the bound.

Where this process is alone in a group of cgroup v2 that it may divide (delegated by
``systemd-run --user --scope -p Delegate=yes``, a container's own, the root of all)
and that can count memory.  A group with groups below it that count has no processes itself
(cgroups(7)), so the run goes into one below, and who was started for it into another.
Who removes both when the run is over is in the second, and leaves it last.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

__all__ = ("ControlGroup", "own_group")

_SHELL = "/bin/sh"
_SCRIPT = """
trap "" HUP INT TERM
read -r word
for try in 1 2 3 4 5 6 7 8 9 10; do rmdir "$1" && break; sleep 0.1; done
test -z "$3" || echo -memory >"$0/cgroup.subtree_control"
echo $$ >"$0/cgroup.procs"
for try in 1 2 3 4 5 6 7 8 9 10; do rmdir "$2" && break; sleep 0.1; done
"""
"""At the end of the pipe all of the run's processes have ended; then the group above is as it was."""
_ROOM = 512 << 20
"""Bytes for the emulator beside what its program may have, before the host's kernel slows the run down."""


def own_group() -> Path:
    """The folder of this process's group; OSError, with a reason in words, if it cannot be divided."""
    try:
        folder = _folder()
    except FileNotFoundError:
        folder = None
    if folder is None:
        raise OSError(errno.ENOENT, "there is no cgroup v2 here")
    if "memory" not in (folder / "cgroup.controllers").read_text("ascii").split():
        raise OSError(errno.ENOENT, f"{folder} cannot count memory")
    if not all(os.access(folder / name, os.W_OK) for name in ("", "cgroup.procs", "cgroup.subtree_control")):
        raise OSError(errno.EACCES, f"{folder} is not ours to divide")
    return folder


def _folder() -> Path | None:
    """Where cgroup v2 shows the group of this process, if it does."""
    groups = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    own = next((line.removeprefix("0::") for line in groups if line.startswith("0::")), None)
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        place, _, kind = line.partition(" - ")
        root, point = place.split(" ")[3:5]
        if own is not None and kind.startswith("cgroup2 ") and (own + "/").startswith(root.rstrip("/") + "/"):
            folder = Path(point, own.removeprefix(root.rstrip("/")).lstrip("/"))
            return folder if (folder / "cgroup.controllers").exists() else None
    return None


class ControlGroup:
    """This process's own from now on; OSError if it cannot be, and then nothing has changed.

    :param above: the group that it is in, see own_group()
    :param memory: bytes that the program may have
    :ivar statistics: a descriptor of the group's ``memory.stat``
    """

    def __init__(self, above: Path, memory: int) -> None:
        self._above = above
        name = f"uprobe-{os.urandom(6).hex()}"
        self._run, self._others = above / name, above / f"{name}-others"
        self._counts = "memory" not in (above / "cgroup.subtree_control").read_text("ascii").split()
        """Whether those below count memory for our sake."""
        try:
            self._run.mkdir()
            self._others.mkdir()
            self._move(self._others, *self._started())
            self._move(self._run, os.getpid())
            _write(above / "cgroup.subtree_control", "+memory")
            self._limit(memory)
            self.statistics = os.open(self._run / "memory.stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._undo()
            raise
        self._watch()

    def _started(self) -> list[int]:
        """The processes of the group above that this one has started."""
        own, found = os.getpid(), []
        for pid in map(int, (self._above / "cgroup.procs").read_text("ascii").split()):
            with contextlib.suppress(OSError):
                parent = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
                found += [pid] if int(parent) == own else []
        return found

    def _move(self, group: Path, *pids: int) -> None:
        for pid in pids:
            _write(group / "cgroup.procs", str(pid))

    def _limit(self, memory: int) -> None:
        """Beyond the first the kernel slows the run down, beyond the second it kills; nothing is swapped."""
        _write(self._run / "memory.high", str(memory + _ROOM))
        _write(self._run / "memory.max", str(2 * (memory + _ROOM)))
        with contextlib.suppress(OSError):  # a kernel without swap has none
            _write(self._run / "memory.swap.max", "0")

    def _undo(self) -> None:
        if self._counts:
            with contextlib.suppress(OSError):
                _write(self._above / "cgroup.subtree_control", "-memory")
        for group in (self._run, self._others):
            with contextlib.suppress(OSError):
                self._move(self._above, *map(int, (group / "cgroup.procs").read_text("ascii").split()))
            with contextlib.suppress(OSError):
                group.rmdir()

    def _watch(self) -> None:
        """Start who removes the groups when nobody of the run holds the pipe any more."""
        reader, self._pipe = os.pipe()
        streams = [
            (os.POSIX_SPAWN_DUP2, reader, 0),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
        ]
        places = map(str, (self._above, self._run, self._others))
        words = ["sh", "-c", _SCRIPT, *places, "ours" if self._counts else ""]
        with contextlib.suppress(OSError):  # without a shell the groups stay
            pid = os.posix_spawn(_SHELL, words, {"PATH": os.defpath}, file_actions=streams, setsid=True)
            self._move(self._others, pid)
        os.close(reader)


def _write(path: Path, text: str) -> None:
    """As one write, as the kernel wants it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
