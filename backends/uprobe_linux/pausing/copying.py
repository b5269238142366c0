"""A machine of one's own in a process that was forked while the run stood still.

A fork copies all private memory, and with it the program's.  What is left is what
processes share on purpose: memory that all host processes of a run see, open files with their
positions, and the names that others reach us by.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from uprobe_linux.fs.descriptors import Foreign

if TYPE_CHECKING:
    from uprobe_linux.processes.world import World

__all__ = ("separate", "wake")

_READ_WRITE, _PRIVATE_FIXED = 3, 0x02 | 0x10 | 0x20
"""PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS."""


def separate(machine: World, descriptors: Iterable[int]) -> None:
    """Share nothing with the process that we were forked from; raises OSError.

    :param descriptors: of the host, whose output goes nowhere from here on
    """
    for start, end in [*_shared_ranges()]:
        _make_private(start, end - start)
    Foreign.silent = True
    _separate_files(machine)
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


def _shared_ranges() -> Iterator[tuple[int, int]]:
    """Addresses [start, end) of writable shared mappings (proc_pid_maps(5))."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            where, permissions = line.split(" ", 2)[:2]
            if permissions[1] == "w" and permissions[3] == "s":
                start, _, end = where.partition("-")
                yield int(start, 16), int(end, 16)


def _make_private(start: int, size: int) -> None:
    """The same bytes at the same address, but ours; pages that hold zeros alone are not touched."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    data = ctypes.string_at(start, size)
    if library.mmap(start, size, _READ_WRITE, _PRIVATE_FIXED, -1, 0) != start:
        raise OSError(ctypes.get_errno(), "cannot copy shared memory")
    for at in range(0, size, 4096):
        page = data[at : at + 4096]
        if page.count(0) != len(page):
            ctypes.memmove(start + at, page, len(page))


def _separate_files(machine: World) -> None:
    """Files with a position of their own: each host descriptor that stands for one is opened once more."""
    for process in machine.family.local.values():
        for fd in list(process.files):
            entry = process.files.get(fd)
            status = os.fstat(entry.host)
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                _reopen(entry.host, writes_nowhere=fd in (1, 2))


def _reopen(host: int, *, writes_nowhere: bool) -> None:
    flags = fcntl.fcntl(host, fcntl.F_GETFL) & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
    if flags & getattr(os, "O_PATH", 0o10000000):
        return
    with contextlib.suppress(OSError):
        position = os.lseek(host, 0, os.SEEK_CUR)
        if flags & os.O_ACCMODE != os.O_RDONLY or writes_nowhere:
            fresh = _unseen(os.fstat(host).st_size, flags)
        else:
            fresh = os.open(f"/proc/self/fd/{host}", flags | os.O_CLOEXEC)
        os.lseek(fresh, position, os.SEEK_SET)
        os.dup2(fresh, host, inheritable=False)
        os.close(fresh)


def _unseen(size: int, flags: int) -> int:
    """A file of *size* zeros that nobody else has, opened with *flags*, which the program can ask for."""
    made = os.memfd_create("unseen", os.MFD_CLOEXEC)
    os.ftruncate(made, size)
    try:
        fresh = os.open(f"/proc/self/fd/{made}", flags | os.O_CLOEXEC)
    except OSError:
        return made
    os.close(made)
    return fresh


def wake(machine: World) -> None:
    """Others reach us by another number, and the thread that watches for them is ours."""
    family = machine.family
    family.bell.after_fork()
    for process in family.local.values():
        family.entry(process).host_pid = os.getpid()
    machine.watcher.after_fork()
