"""What a program has mapped, from the kernel that runs it: ``/proc/PID/maps``, read through the stub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from uprobe_core.errors import BackendError
from uprobe_gdbremote.channel import Lost

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.connection import Connection

__all__ = ("MAKERS", "FileMap", "Glances", "MapWatcher", "read_maps")

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


_FIRST = 32
"""Stops before the first glance."""


def read_maps(client: Client, pid: int | str) -> list[FileMap] | None:
    """The mappings of files of process *pid*, by address; None if the stub does not show them.

    :param pid: "self" under qemu-user, which shows those of its program under that name
    """
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


class Glances:
    """Looks at the list now and then: for what is mapped past the loader, where nobody watches.

    That is at a few stops, half as often as before each time: the longer a program runs, the less they cost.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client
        self._name = "self" if connection.is_qemu_user else ""
        self._stops, self._next = 0, 0 if connection.all_mappings else _FIRST
        self._worlds: list[Any] = []

    def stopped(self, processes: Iterable[Any]) -> None:
        """*processes* are stopped once more, where probes can be placed."""
        self._stops += 1
        if self._stops == self._next:
            self._next *= 2
            self.look(processes)

    def look(self, processes: Iterable[Any]) -> None:
        """Place probes in what *processes* have mapped, and remember what was there before without them."""
        if not self._next or self._client.crowd is not None:  # others would tell of stops meanwhile
            return
        with suppress(Lost):  # who misses the stub says so
            for process in processes:
                maps = read_maps(self._client, self._name or process.pid)
                if maps is None:
                    self._next = 0
                elif process.world is not None and not process.borrows:
                    self._compare(process, maps)

    def _compare(self, process: Any, maps: list[FileMap]) -> None:
        if process.world not in self._worlds:
            self._worlds.append(process.world)
        for made in process.world.compare(maps):
            points = (point for point in process.points.all() if point.is_wanted)
            if any(made.start <= point.address < made.end for point in points):
                process.world.late.add(made)

    @property
    def late(self) -> int:
        """How many mappings with probes were found so that the loader did not tell of."""
        return sum(len(world.late) for world in self._worlds)
