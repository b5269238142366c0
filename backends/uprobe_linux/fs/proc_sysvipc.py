"""/proc/sysvipc: the System V objects of the machine (ipc/util.c, msg.c, sem.c, shm.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import Table, VDir, VFile, text_file

if TYPE_CHECKING:
    from uprobe_linux.ipc.state import IpcState, MessageQueue, Segment, SemaphoreSet
    from uprobe_linux.kernel import Machine

__all__ = ("sysvipc_dir",)

SHM_DEST, SHM_LOCKED = 0o1000, 0o2000


def sysvipc_dir(machine: Machine) -> VDir:
    """The folder with ``msg``, ``sem`` and ``shm``: a heading, then a line for each object."""
    rows = {"msg": _queues, "sem": _semaphores, "shm": _segments}
    return Table({name: _file(machine, make) for name, make in rows.items()}).directory()


def _file(machine: Machine, rows: Callable[[IpcState], Iterator[str]]) -> VFile:
    def text() -> str:
        with machine.family.ipc.change() as state:
            return "".join(f"{row}\n" for row in rows(state))

    return text_file(text)


def _owner(thing: MessageQueue | SemaphoreSet | Segment) -> str:
    uid, gid = thing.uid, thing.gid
    return f"{uid:5} {gid:5} {uid:5} {gid:5}"


def _queues(state: IpcState) -> Iterator[str]:
    yield (
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
        "      stime      rtime      ctime"
    )
    for number, q in state.queues.items():
        size = sum(len(data) for _, data in q.messages)
        yield (
            f"{q.key:10} {number:10}  {q.mode:4o}  {size:10} {len(q.messages):10} "
            f"{q.sender:5} {q.receiver:5} {_owner(q)} {q.sent:10} {q.received:10} {q.changed:10}"
        )


def _semaphores(state: IpcState) -> Iterator[str]:
    yield "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime"
    for number, s in state.semaphores.items():
        yield (
            f"{s.key:10} {number:10}  {s.mode:4o} {len(s.values):10} {_owner(s)} "
            f"{s.operated:10} {s.changed:10}"
        )


def _segments(state: IpcState) -> Iterator[str]:
    yield (
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
        "      atime      dtime      ctime                   rss                  swap"
    )
    for number, s in state.segments.items():
        mode = s.mode | (SHM_DEST if s.removed else 0) | (SHM_LOCKED if s.locked else 0)
        resident = (s.size + 4095) & -4096
        yield (
            f"{s.key:10} {number:10}  {mode:4o} {s.size:21} {s.creator:5} {s.last_pid:5} "
            f" {state.attachments(number):5} {_owner(s)} "
            f"{s.attached_at:10} {s.detached_at:10} {s.changed:10} {resident:21} {0:21}"
        )
