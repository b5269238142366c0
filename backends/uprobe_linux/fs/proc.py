"""/proc: the folder itself, and which processes it shows."""

from __future__ import annotations

import stat
from functools import cache
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import VDir, VLink, VNode
from uprobe_linux.fs.proc_process import process_dir, stranger_dir

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine, Process, Task

__all__ = ("make_proc",)


def make_proc(machine: Machine) -> VDir:
    """The /proc of *machine*, as its current task sees it."""
    own = {
        "self": _link(lambda: str(_current(machine).process.pid)),
        "thread-self": _link(lambda: f"{_current(machine).process.pid}/task/{_current(machine).tid}"),
    }

    @cache
    def fixed() -> dict[str, VNode]:
        from uprobe_linux.fs.proc_machine import machine_nodes  # most programs look at themselves alone

        return machine_nodes(machine) | own

    def names() -> list[str]:
        pids = sorted(entry.pid for entry in machine.family.pids)
        return [*map(str, pids), *sorted(fixed())]

    folders: dict[int, tuple[Process, VDir]] = {}

    def lookup(name: str) -> VNode | None:
        if not name.isdecimal():
            return own.get(name) or fixed().get(name)
        process = _local(machine, int(name))
        if process is None:
            return _stranger(machine, int(name))
        known = folders.get(int(name))
        if known is None or known[0] is not process:
            known = folders[int(name)] = process, process_dir(process, int(name))
        who = process.credentials
        if who is not None:
            known[1].uid, known[1].gid = who.euid, who.egid
        return known[1]

    return VDir(stat.S_IFDIR | 0o555, names=names, lookup=lookup)


def _current(machine: Machine) -> Task:
    assert machine.current is not None
    return machine.current


def _link(target: object) -> VLink:
    return VLink(stat.S_IFLNK | 0o777, target=target)  # type: ignore[arg-type]


def _local(machine: Machine, number: int) -> Process | None:
    """The process of this host process that *number* names: a thread's id leads to its process, unlisted."""
    for process in machine.family.local.values():
        if process.pid == number or any(t.tid == number for t in process.tasks):
            return process
    return None


def _stranger(machine: Machine, number: int) -> VNode | None:
    """A process in another host process."""
    entry = machine.family.pids.get(number)
    return stranger_dir(machine, entry) if entry is not None else None
