"""What a program has mapped, from the kernel that runs it: ``/proc/PID/maps``, read through the stub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from uprobe_core.errors import BackendError

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client

__all__ = ("MAKERS", "FileMap", "MapWatcher", "read_maps")

MAKERS = frozenset({"mmap", "munmap", "mremap", "mprotect"})
"""System calls that change it."""
_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([sp]) ([0-9a-f]+) \S+ [1-9]\d* +(/.*)")
"""A line of a mapping of a file (proc_pid_maps(5))."""


class FileMap(NamedTuple):
    """A mapping of the file at *path*; *flags* are those of the line, as ``r-xp``."""

    start: int
    end: int
    flags: str
    offset: int
    path: str


def read_maps(client: Client, pid: int) -> list[FileMap] | None:
    """The mappings of files of process *pid*, by address; None if the stub does not show them."""
    text = client.file(f"/proc/{pid}/maps")
    return None if text is None else list(_parsed(text))


def _parsed(text: bytes) -> Iterator[FileMap]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            start, end, *flags, offset, path = found.groups()
            words = b"".join(flags).decode("ascii")
            yield FileMap(
                int(start, 16), int(end, 16), words, int(offset, 16), path.decode("utf-8", "surrogateescape")
            )


class MapWatcher:
    """Has what changes in the list told of, when a system call has changed it (a CallWatcher).

    Raises BackendError where the stub shows no files.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        if client.file("/proc/self/maps") is None:
            raise BackendError(
                f"{client.channel.where} does not show what the program has mapped",
                hint="leave mappings=all out: what the loader maps is seen all the same",
                slug="backend-lacks",
            )

    def called(self, task: Any, name: str, arguments: tuple[int, ...]) -> None:
        """Nothing has changed yet."""

    def answered(self, task: Any, name: str, _arguments: tuple[int, ...], _result: int | None) -> None:
        """Look, if it is one of MAKERS."""
        world = task.process.world
        maps = read_maps(self._client, task.process.pid) if name in MAKERS and world is not None else None
        if maps is not None and world is not None:
            world.compare(maps)
