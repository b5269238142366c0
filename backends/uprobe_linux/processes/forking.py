"""How processes come to be: clone without CLONE_THREAD, in this host process or in a new one.

A child with memory of its own is a new host process.  A child that shares
memory (vfork, posix_spawn) must see and make the parent's stores, so it lives
beside its parent as another process of the same host process until it
executes a program; :func:`move_out` then gives it a host process.

Facts: kernel/fork.c (copy_process, copy_sighand, copy_files); clone(2), vfork(2).
"""

from __future__ import annotations

import gc
import os
import random
import sys
import warnings
from typing import TYPE_CHECKING

from uprobe_linux.processes.process import LinuxProcess
from uprobe_linux.processes.task import LinuxTask

if TYPE_CHECKING:
    from uprobe_linux.processes.world import World
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = (
    "CLONE_FILES",
    "CLONE_FS",
    "CLONE_PARENT",
    "CLONE_SIGHAND",
    "CLONE_VFORK",
    "CLONE_VM",
    "fork",
    "move_out",
    "share",
)

CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND = 0x100, 0x200, 0x400, 0x800
CLONE_VFORK, CLONE_PARENT = 0x4000, 0x8000


def fork(parent: LinuxTask, flags: int, exit_signal: int) -> tuple[int, LinuxTask | None]:
    """A child with a copy of the memory: (its pid, None) in the parent, (0, its task) in the child.

    OSError(EAGAIN) when the machine or the host has too many processes.
    """
    machine = parent.machine
    entry = _new_entry(parent, flags, exit_signal)
    now = machine.clock.realtime() // 10**9
    machine.family.papers.inherit(parent.process, entry.pid)
    machine.family.ipc.inherit(parent.process.pid, entry.pid, now)
    try:
        host_pid = host_fork(machine, entry)
    except OSError:
        machine.family.ipc.detach(entry.pid, now)
        machine.family.pids.free(entry)
        raise
    if host_pid:
        machine.family.watch_host_child(host_pid)
        return entry.pid, None
    child = _copy(parent, entry, flags)
    _settle(machine, child, entry)
    machine.handler.on_fork(parent, child, shares_memory=False)
    return 0, child


def share(parent: LinuxTask, flags: int, exit_signal: int) -> LinuxTask:
    """A child that shares the memory, in this host process; it is ready to run."""
    machine = parent.machine
    machine.family.alone = False
    machine.timers.before_fork()
    entry = _new_entry(parent, flags, exit_signal)
    child = _copy(parent, entry, flags)
    if not flags & CLONE_FILES:
        child.process.files = parent.process.files.copy()
    if not flags & CLONE_FS:
        child.process.fs = parent.process.fs.copy()
    machine.family.papers.inherit(parent.process, entry.pid)
    machine.family.adopt(child.process, entry)
    machine.scheduler.add(child)
    machine.handler.on_fork(parent, child, shares_memory=True)
    return child


def move_out(task: LinuxTask) -> bool:
    """Give the process of *task*, which shares its memory, a host process; True there, False here."""
    machine, process = task.machine, task.process
    entry = machine.family.entry(process)
    host_pid = host_fork(machine, entry)
    if host_pid:
        machine.family.watch_host_child(host_pid)
        _forget_here(machine, process)
        machine.scheduler.wake(("vfork", process.pid))
        return False
    _settle(machine, task, entry)
    return True


def _forget_here(machine: World, process: LinuxProcess) -> None:
    for task in process.tasks:
        machine.scheduler.drop(task)
    process.files.close_all()
    process.fs.cwd.close()
    machine.timers.forget(process)
    machine.family.abandon(process)


def host_fork(machine: World, entry: ProcessEntry) -> int:
    """os.fork for the process of *entry*, which gets its seat among those that take turns; as os.fork.

    It is done with nothing of ours buffered and without Python's warning about the watcher thread.

    That thread only ever polls; it holds no lock that the child could miss.  What there is
    at the first fork leaves Python's garbage collector until the end of the run: a collection would
    write to all of it, and every page would have to be copied.
    """
    if not machine.family.frozen:
        machine.family.frozen = True
        machine.family.thaws = not gc.get_freeze_count()
        gc.freeze()
    machine.family.alone = False
    machine.timers.before_fork()
    sys.stdout.flush()
    sys.stderr.flush()
    seat = machine.turns.reserve(entry.pid)
    try:
        host_pid = _fork_without_warning()
    except OSError:
        machine.turns.seated(seat, 0)
        raise
    entry.host_pid = host_pid or os.getpid()
    if host_pid:
        machine.turns.seated(seat, host_pid)
    else:
        machine.turns.sit(seat, entry.pid)
        if machine.target.on_code is not None:
            machine.cpu.take_code()  # the parent tells of it
    return host_pid


def _fork_without_warning() -> int:
    if sys.version_info < (3, 12):  # which says nothing
        return os.fork()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _new_entry(parent: LinuxTask, flags: int, exit_signal: int) -> ProcessEntry:
    machine = parent.machine
    mine = machine.family.entry(parent.process)
    entry = machine.family.pids.add(mine, uid=mine.uid, clock=machine.clock.monotonic())
    if flags & CLONE_PARENT:
        entry.ppid, entry.exit_signal = mine.ppid, mine.exit_signal
    else:
        entry.exit_signal = exit_signal
    entry.parent_tid = parent.tid
    entry.vforked = flags & (CLONE_VFORK | CLONE_VM) == CLONE_VFORK
    entry.comm = parent.comm
    return entry


def _copy(parent: LinuxTask, entry: ProcessEntry, flags: int) -> LinuxTask:
    """The child's process and task objects (*parent* is running); files and fs stay the parent's."""
    process = object.__new__(LinuxProcess)
    process.__dict__.update(parent.process.__dict__)
    process.pid = entry.pid
    process.tasks = []
    process.random = random.Random(parent.machine.target.seed * 1_000_003 + entry.pid)
    process.rlimits = parent.process.rlimits[:]
    held = parent.process.credentials
    process.credentials = None if held is None else held.copy()
    process.signals = parent.process.signals.for_fork(share_actions=bool(flags & CLONE_SIGHAND))
    task = LinuxTask(process, entry.pid, parent.cpu_core.save())
    task.name = parent.name
    task.sched_policy, task.sched_priority = parent.sched_policy, parent.sched_priority
    task.elsewhere = parent.elsewhere
    task.signals = parent.signals.for_clone(keep_altstack=not flags & CLONE_VM or bool(flags & CLONE_VFORK))
    task.robust_list = 0
    process.tasks.append(task)
    return task


def _settle(machine: World, task: LinuxTask, entry: ProcessEntry) -> None:
    """In the new host process: *task* is all there is; descriptors of its former neighbours are closed."""
    for other in machine.family.local.values():
        if other.files is not task.process.files:
            other.files.close_all()
    machine.family.after_fork()
    machine.family.adopt(task.process, entry)
    machine.timers.keep_only(task.process)
    machine.scheduler.only(task)
    task.process.bind_memory()
    machine.after_fork(task)
