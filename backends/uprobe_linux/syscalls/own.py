"""System calls that the CPU makes by itself: which, when, and what it has to know for that.

The handlers of this package are the reference, and stay in charge of everything that is not
plain: the CPU leaves such a call to them before anything has happened.  What one of
these calls would change in Python (the clock, the count, the signal mask) is kept by the CPU's own
object or taken over after each run.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs.descriptors import Description, Device, Foreign, Stream
from uprobe_linux.fs.nodes import FOREIGN
from uprobe_linux.processes.rlimits import INFINITY, RLIMIT_FSIZE
from uprobe_linux.scheduling.clock import EPOCH, SYSCALL_NS, UPTIME
from uprobe_linux.syscalls.epoll import EpollStream
from uprobe_linux.syscalls.numbers import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uprobe_linux.fs.fdtable import Descriptor, FdTable
    from uprobe_linux.kernel import Task
    from uprobe_linux.processes.world import World

__all__ = ("OWN", "OwnCalls")

OWN = frozenset(
    {
        *("getpid", "gettid", "clock_gettime", "gettimeofday", "rt_sigprocmask"),
        *("read", "write", "readv", "writev", "pread64", "pwrite64", "lseek"),
        *("fstat", "getdents64", "futex", "epoll_pwait", "ppoll"),
    }
)
"""The calls that a CPU may make by itself where it can; whoever restricts calls takes his out of it."""


class OwnCalls:
    """Keeps the CPU's object (``Cpu.calls``) up to date; one for each machine whose CPU has one.

    Runs that are told of each call or that count instructions up to a limit, and those on the
    host's clock, have all calls made here.
    """

    def __init__(self, machine: World) -> None:
        assert machine.cpu.calls is not None
        self._machine = machine
        self._calls = calls = machine.cpu.calls
        self._task: Task | None = None
        self._files: FdTable | None = None
        self._waiters = -1
        """Version of the futex queues that the CPU knows of."""
        calls.monotonic, calls.realtime, calls.call_ns = UPTIME, EPOCH, SYSCALL_NS
        if machine.file_times is not None:
            calls.file_start = machine.file_times.start
        for name in OWN:
            calls.allow(NUMBERS[name], True)

    @classmethod
    def of(cls, machine: World) -> OwnCalls | None:
        """Those of *machine*, None where all calls are made here."""
        target = machine.target
        counts = target.limits.instructions is not None or not machine.clock.virtual
        if machine.cpu.calls is None or target.on_syscall is not None or counts:
            return None
        return cls(machine)

    def before(self, task: Task) -> None:
        """*task* is about to run guest code."""
        calls, signals, process = self._calls, task.signals, task.process
        calls.on = not task.stepping and signals.saved_mask is None
        if not calls.on:
            return
        if task is not self._task or process.files is not self._files:
            self._switch(task)
        machine = self._machine
        calls.blocked = signals.blocked
        calls.pending = signals.pending.mask | process.signals.pending.mask
        calls.look_at = machine.scheduler.look_at()
        calls.idle = machine.clock.idle
        calls.alone, calls.turn_ends = machine.family.alone, machine.turns.ends
        memory = process.memory
        limit = process.rlimits.get(RLIMIT_FSIZE, _NO_LIMIT)[0]
        calls.writes_watched = limit != INFINITY or bool(memory.shared_code)
        calls.memory_shared = memory.shares
        calls.signal_files = process.signal_watcher is not None
        futexes = machine.family.futexes
        if self._waiters != futexes.version:
            self._waiters = futexes.version
            calls.set_waiters(futexes.addresses())
        if calls.missed:
            self._learn(calls.missed - 1)
            calls.missed = 0

    def after(self, task: Task) -> bool:
        """*task* has run guest code: whether it made calls by itself."""
        calls = self._calls
        made = calls.made
        if not made:
            return False
        calls.made = 0
        self._machine.count("syscalls", made)
        task.signals.blocked = calls.blocked
        return True

    def _switch(self, task: Task) -> None:
        """Another task, or one with other descriptors."""
        self._task = task
        self._calls.pid, self._calls.tid = task.process.pid, task.tid
        files = task.process.files
        if files is self._files:
            return
        if self._files is not None:
            self._files.changed = _ignore
        self._files = files
        files.changed = self._forget
        self._calls.forget_files()

    def _forget(self, fd: int) -> None:
        """Descriptor *fd* stands for something else, or nothing."""
        self._calls.file(fd, -1, 0)

    def _learn(self, fd: int) -> None:
        """A call asked for descriptor *fd*: it will again."""
        if self._files is not None and fd in self._files:
            entry = self._files.get(fd)
            self._calls.file(fd, entry.host, self._kinds(entry))

    def _kinds(self, entry: Descriptor) -> int:
        kinds, file = self._calls.kinds, entry.file
        found = kinds["KNOWN"]
        if file.is_path:
            return found
        if type(file) is Description:
            return found | self._of_file(entry)
        if type(file) is Device:
            return found | kinds["READ"] | kinds["WRITE"] | kinds["SEEK"] | kinds["AT"] | kinds["POLL"]
        if type(file) is EpollStream:
            return found | kinds["EPOLL"] | kinds["POLL"]
        if type(file) in (Stream, Foreign):
            return found | _of_stream(entry, kinds)
        return found

    def _of_file(self, entry: Descriptor) -> int:
        """A regular file or folder of the host's."""
        kinds, mode = self._calls.kinds, os.fstat(entry.host).st_mode
        found = kinds["STAT"]
        if stat.S_ISREG(mode):
            found |= kinds["READ"] | kinds["WRITE"] | kinds["SEEK"] | kinds["AT"] | kinds["POLL"]
        elif entry.file.is_dir and entry.file.path not in self._machine.sandbox.mounts.ghosts:
            found |= kinds["LIST"] | kinds["SEEK"]
        return found | (kinds["OUTSIDE"] if entry.file.mount is FOREIGN else 0)


def _of_stream(entry: Descriptor, kinds: Mapping[str, int]) -> int:
    """Only what takes a few bytes as a whole or not at all may be written to."""
    found = kinds["STREAM"] | kinds["READ"] | kinds["POLL"]
    if type(entry.file) is Foreign:
        found |= kinds["SHARED"] | kinds["OUTSIDE"]
    takes_all = stat.S_ISFIFO(os.fstat(entry.host).st_mode) or entry.file.path == "anon_inode:[eventfd]"
    return found | (kinds["WRITE"] if takes_all else 0)


def _ignore(_fd: int) -> None:
    """Nobody keeps a copy."""


_NO_LIMIT = (INFINITY, INFINITY)
