"""How large files and memory may become where a program has set limits (setrlimit(2), ulimit).

Facts: fs/read_write.c (generic_write_check_limits), fs/attr.c
(inode_newsize_ok), mm/mmap.c (may_expand_vm, check_data_rlimit).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.cpu import Perm
from uprobe_linux.fs import oflags
from uprobe_linux.processes.rlimits import INFINITY, RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE
from uprobe_linux.signals.numbers import SI_USER, Sig
from uprobe_linux.signals.sending import send_to_task
from uprobe_linux.signals.siginfo import SigInfo
from uprobe_linux.syscalls.support import fail, identity

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.memory.vma import Vma
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("check_growth", "check_new_size", "clip", "memory_may_grow", "take_memory")

_IN_MEMORY = ("/memfd:", "/dev/shm/", "/tmp/")  # noqa: S108
"""How the names of files begin that go with the run."""

INITIAL_STACK = 132 << 10
"""Bytes of stack that a kernel maps at first; ours is mapped as a whole and would count too much."""


def _limit(task: LinuxTask, resource: int) -> int:
    return task.process.rlimits[2 * resource]


# --- files ----------------------------------------------------------------------------------------


def _too_large(task: LinuxTask) -> OSError:
    """SIGXFSZ for the thread, and the error that it gets if it lives."""
    send_to_task(task, SigInfo.from_sender(Sig.XFSZ, SI_USER, task.process.pid, identity(task).uid))
    return fail(errno.EFBIG)


def check_new_size(task: LinuxTask, size: int) -> None:
    """A file is to become *size* bytes long; OSError(EFBIG) and SIGXFSZ beyond RLIMIT_FSIZE."""
    if size > _limit(task, RLIMIT_FSIZE):
        raise _too_large(task)


def check_growth(task: LinuxTask, entry: Descriptor, size: int) -> None:
    """The same for a change that matters only if the file becomes longer than it is."""
    if size > _limit(task, RLIMIT_FSIZE) and size > os.fstat(entry.host).st_size:
        raise _too_large(task)


def take_memory(task: LinuxTask, entry: Descriptor, size: int) -> None:
    """*size* bytes are to be written to a file; OSError(ENOSPC) if that is in memory and there is no room."""
    meter = task.machine.meter
    if meter is not None and entry.file.path.startswith(_IN_MEMORY):
        meter.write(size)


def clip(task: LinuxTask, entry: Descriptor, views: list[memoryview], offset: int = -1) -> list[memoryview]:
    """The part of *views* that may be written at *offset* (-1: the descriptor's position).

    OSError(EFBIG) and SIGXFSZ if nothing may.
    """
    take_memory(task, entry, sum(map(len, views)))
    limit = _limit(task, RLIMIT_FSIZE)
    if limit == INFINITY or not any(map(len, views)):
        return views
    status = os.fstat(entry.host)
    if not stat.S_ISREG(status.st_mode) or entry.file.kind != "file":
        return views
    if entry.file.flags(entry.host) & oflags.G_APPEND:
        offset = status.st_size
    elif offset < 0:
        offset = os.lseek(entry.host, 0, os.SEEK_CUR)
    room = limit - offset
    if room <= 0:
        raise _too_large(task)
    kept = []
    for view in views:
        kept.append(view[:room])
        room -= len(kept[-1])
    return kept


# --- memory ---------------------------------------------------------------------------------------


def memory_may_grow(task: LinuxTask, size: int, *, data: bool, replaced: tuple[int, int] = (0, 0)) -> bool:
    """Whether *size* more bytes fit into RLIMIT_AS and, for private writable *data*, RLIMIT_DATA.

    :param replaced: the range whose mappings go away for it
    """
    space, heap = _limit(task, RLIMIT_AS), _limit(task, RLIMIT_DATA)
    if space == heap == INFINITY:
        return True
    vmas = task.process.memory.vmas
    gone = sum(min(v.end, replaced[1]) - max(v.start, replaced[0]) for v in vmas.overlapping(*replaced))
    if sum(map(_extent, vmas)) + size - gone > space:
        return False
    return not data or sum(_extent(v) for v in vmas if _is_data(v)) + size <= heap


def _extent(vma: Vma) -> int:
    size = vma.end - vma.start
    return min(size, INITIAL_STACK) if vma.label == "[stack]" else size


def _is_data(vma: Vma) -> bool:
    return bool(vma.prot & Perm.WRITE) and not vma.shared and vma.label != "[stack]"
