"""/proc: the folder itself, and which processes it shows."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import VDir, VLink, VNode
from uprobe_linux.fs.proc_machine import machine_nodes
from uprobe_linux.fs.proc_process import process_dir, stranger_dir

if TYPE_CHECKING:
    from uprobe_linux.machine import LinuxMachine
    from uprobe_linux.task import LinuxTask

__all__ = ("make_proc",)


def make_proc(machine: LinuxMachine) -> VDir:
    """The /proc of *machine*, as its current task sees it."""
    fixed = machine_nodes(machine)
    fixed["self"] = _link(lambda: str(_current(machine).process.pid))
    fixed["thread-self"] = _link(lambda: f"{_current(machine).process.pid}/task/{_current(machine).tid}")

    def names() -> list[str]:
        pids = sorted(entry.pid for entry in machine.family.pids)
        return [*map(str, pids), *sorted(fixed)]

    def lookup(name: str) -> VNode | None:
        return fixed.get(name) or (_process(machine, int(name)) if name.isdecimal() else None)

    return VDir(stat.S_IFDIR | 0o555, names=names, lookup=lookup)


def _current(machine: LinuxMachine) -> LinuxTask:
    assert machine.current is not None
    return machine.current


def _link(target: object) -> VLink:
    return VLink(stat.S_IFLNK | 0o777, target=target)  # type: ignore[arg-type]


def _process(machine: LinuxMachine, number: int) -> VNode | None:
    """The folder of process *number*; a thread's id leads to its process's folder too, though it is not
    listed.
    """
    for process in machine.family.local.values():
        if process.pid == number or any(t.tid == number for t in process.tasks):
            return process_dir(process, number)
    entry = machine.family.pids.get(number)
    return stranger_dir(machine, entry) if entry is not None else None
