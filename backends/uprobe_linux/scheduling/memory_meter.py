"""How much memory the program makes the host hold, all its processes together.

What a process may map is bounded where it asks (memory/address_space.py); this is about the rest: pages that
many processes hold, files in memory, what waits in pipes and sockets, and our own tables, which grow with
what a program makes.  It is measured ten times a second, by the run's control group or from /proc, and a
program that holds too much is ended.  Between two measurements writes to files in memory take from what
was left.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine

__all__ = ("MemoryMeter",)

EVERY_SECONDS = 0.1
ALLOWANCE = 64 << 20
"""Bytes that the emulator may take for its own: translated code, tables, Python's objects."""
EACH_PROCESS = 32 << 20
"""The same for each further process, whose copies of them change."""
PIPE_BYTES = 64 << 10
SOCKET_BYTES = 208 << 10
"""What a socket may hold (net.core.wmem_default); a few are nearly empty always and not counted."""
FREE_SOCKETS = 64
_HELD = {b"anon": 1, b"shmem": 1, b"kernel": 1, b"sock": 1, b"slab_reclaimable": -1}
"""Of memory.stat: all but the host's copies of files and names (Documentation/admin-guide/cgroup-v2.rst)."""


class MemoryMeter:
    """Ends *machine* with "memory" when its program holds more than *limit* bytes.

    :param folder: of the run's own, where files of the guest lie that go with it
    :param memory_stat: as for :class:`~uprobe_core.target.Target`
    """

    def __init__(self, machine: Machine, limit: int, folder: str, memory_stat: int | None = None) -> None:
        self._machine, self._limit, self._folder = machine, limit, folder
        self._memory_stat = memory_stat
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._before = 0
        self._left = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        """One number that all host processes see: bytes that may be written until the next measurement."""
        self._left[0] = limit

    def start(self) -> None:
        """The run begins: what is held already is not the program's."""
        self._before = _private_bytes(os.getpid()) if self._memory_stat is None else self._in_group()[0]
        self._thread = threading.Thread(target=self._watch, name="uprobe-memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The run is over; idempotent."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def write(self, size: int) -> None:
        """*size* bytes are about to be written to a file in memory; OSError ENOSPC when there is no room."""
        if size > self._left[0]:
            raise OSError(errno.ENOSPC, "memory limit")
        self._left[0] -= size

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            pids = {entry.host_pid for entry in self._machine.family.pids if entry.alive}
            allowed = self._limit + ALLOWANCE + EACH_PROCESS * max(len(pids) - 1, 0)
            held, files = self._in_processes(pids) if self._memory_stat is None else self._in_group()
            left = allowed - (held - self._before)
            self._left[0] = max(min(left, self._limit - files), 0)
            if left < 0:
                self._machine.request_stop("memory")
                return

    def _in_group(self) -> tuple[int, int]:
        """Bytes that the host holds for the group, and those of them in files in memory."""
        assert self._memory_stat is not None
        rows = (line.split() for line in os.pread(self._memory_stat, 1 << 16, 0).splitlines())
        held = {name: _HELD[name] * int(number) for name, number in rows if name in _HELD}
        return sum(held.values()), held[b"shmem"]

    def _in_processes(self, pids: set[int]) -> tuple[int, int]:
        """The same by what /proc says of *pids* and this one."""
        files = self._files(pids)
        return files + sum(map(_private_bytes, pids | {os.getpid()})), files

    def _files(self, pids: set[int]) -> int:
        """Bytes that the host holds for files in memory, pipes and sockets."""
        objects: dict[tuple[str, int], int] = {}
        for pid in pids:
            with contextlib.suppress(OSError):
                objects.update(self._open_in(pid))
        sockets = sum(kind == "socket" for kind, _ in objects)
        held = sum(objects.values()) + max(sockets - FREE_SOCKETS, 0) * SOCKET_BYTES
        return held + _size_of(self._folder)

    def _open_in(self, pid: int) -> Iterator[tuple[tuple[str, int], int]]:
        """(kind, inode) and bytes of what has no name and is open in a process."""
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(OSError, ValueError):
                target = os.readlink(f"{folder}/{name}")
                kind, _, number = target.partition(":[")
                if kind == "pipe":
                    yield (kind, int(number[:-1])), PIPE_BYTES
                elif kind == "socket":
                    yield (kind, int(number[:-1])), 0
                elif target.startswith("/memfd:") or (
                    target.startswith(self._folder) and target.endswith(" (deleted)")
                ):
                    status = os.stat(f"{folder}/{name}")
                    yield ("file", status.st_ino), 512 * status.st_blocks


def _private_bytes(pid: int) -> int:
    """Anonymous memory of a host process, its share of what several have; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss_Anon:"):
                    return int(line.split()[1]) << 10
    except OSError:
        return 0
    return 0


def _size_of(folder: str) -> int:
    """Bytes of all files below *folder*."""
    total, folders = 0, [folder]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += 512 * entry.stat(follow_symlinks=False).st_blocks
    return total
