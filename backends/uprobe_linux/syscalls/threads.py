"""clone and clone3, thread ids, exit, yielding.

Facts: kernel/fork.c (sys_clone with CONFIG_CLONE_BACKWARDS, clone3), kernel/exit.c; clone(2).
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

from uprobe_linux.calls import Wait
from uprobe_linux.processes.forking import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT,
    CLONE_SIGHAND,
    CLONE_VFORK,
    CLONE_VM,
    fork,
    share,
)
from uprobe_linux.processes.task import LinuxTask
from uprobe_linux.signals.numbers import LAST_SIGNAL
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import Block, NoReturn, before_fork, s32, syscall

CLONE_PIDFD, CLONE_THREAD, CLONE_SETTLS = 0x1000, 0x1_0000, 0x8_0000
CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x10_0000, 0x20_0000, 0x100_0000
CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP, CLONE_DETACHED = 1 << 32, 1 << 33, 0x40_0000
CLONE3_FLAGS = 0x3_FFFF_FF00 & ~CLONE_DETACHED
CLONE_NAMESPACES = (
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000
)
CLONE_ARGS_V0, CLONE_ARGS_V2 = 64, 88
MAX_THREADS = 4096


@dataclass(frozen=True, slots=True)
class CloneArguments:
    """What clone and clone3 have in common; *stack* is the child's sp, 0: the parent's."""

    flags: int
    exit_signal: int
    stack: int
    tls: int
    parent_tid: int
    child_tid: int
    pidfd: int


@syscall("clone")
def sys_clone(task: LinuxTask, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> int:
    """clone(2)."""
    arguments = CloneArguments(
        flags & 0xFFFF_FF00, flags & 0xFF, stack, tls, parent_tid, child_tid, parent_tid
    )
    return _clone(task, arguments)


@syscall("clone3")
def sys_clone3(task: LinuxTask, address: int, size: int) -> int:
    """clone3(2); chosen numbers are EPERM, a control group is EBADF: no descriptor is that of one."""
    if size < CLONE_ARGS_V0:
        raise fail(errno.EINVAL)
    if size > 4096:
        raise fail(errno.E2BIG)
    data = task.process.memory.read(address, size)
    if any(data[88:]):
        raise fail(errno.E2BIG)
    flags, pidfd, child_tid, parent_tid, signal, stack, length, tls = struct.unpack_from("<8Q", data)
    if flags & ~CLONE3_FLAGS or signal > LAST_SIGNAL or bool(stack) != bool(length):
        raise fail(errno.EINVAL)
    if flags & CLONE_INTO_CGROUP:
        raise fail(errno.EBADF if size >= CLONE_ARGS_V2 else errno.EINVAL)
    if any(data[64:80]):
        raise fail(errno.EPERM)
    arguments = CloneArguments(flags, signal, stack + length, tls, parent_tid, child_tid, pidfd)
    return _clone(task, arguments)


def _clone(task: LinuxTask, arguments: CloneArguments) -> int:
    if task.wait is not None:
        return _vfork_done(task, task.wait)
    flags = arguments.flags
    _check(flags)
    if flags & CLONE_THREAD:
        return _new_thread(task, arguments)
    before_fork()
    if flags & CLONE_VM:
        child = share(task, flags, arguments.exit_signal)
        _prepare(child, arguments)
        return _answer(task, arguments, child.tid)
    pid, copied = fork(task, flags, arguments.exit_signal)
    if copied is not None:
        _prepare(copied, arguments)
        raise NoReturn
    return _answer(task, arguments, pid)


def _check(flags: int) -> None:
    """The combinations that copy_process refuses."""
    if (flags & CLONE_THREAD and not flags & CLONE_SIGHAND) or (
        flags & CLONE_SIGHAND and not flags & CLONE_VM
    ):
        raise fail(errno.EINVAL)
    if flags & CLONE_CLEAR_SIGHAND and flags & CLONE_SIGHAND:
        raise fail(errno.EINVAL)
    if flags & CLONE_NAMESPACES:
        raise fail(errno.EPERM)


def _answer(task: LinuxTask, arguments: CloneArguments, pid: int) -> int:
    """The parent's side of a new process."""
    if arguments.flags & CLONE_PARENT_SETTID:
        task.process.memory.write_u32(arguments.parent_tid, pid)
    if arguments.flags & CLONE_PIDFD:
        from uprobe_linux.syscalls.pidfds import open_pidfd

        task.process.memory.write_u32(arguments.pidfd, open_pidfd(task, pid))
    if arguments.flags & CLONE_VFORK:
        key = ("vfork", pid) if arguments.flags & CLONE_VM else ("children", task.process.pid)
        raise Block(Wait(key=key, interruptible=False, data=pid))
    return pid


def _vfork_done(task: LinuxTask, wait: Wait) -> int:
    pid: int = wait.data
    if wait.key[0] == "vfork" and wait.woken:
        return pid
    entry = task.machine.family.pids.get(pid)
    if entry is not None and entry.alive and not entry.executed:
        wait.woken = False
        raise Block(wait)
    return pid


def _new_thread(task: LinuxTask, arguments: CloneArguments) -> int:
    process, machine = task.process, task.machine
    if len(process.tasks) >= MAX_THREADS:
        raise fail(errno.EAGAIN)
    tid = machine.family.pids.new_id()
    thread = LinuxTask(process, tid, task.cpu_core.save())
    thread.name = task.name
    thread.sched_policy, thread.sched_priority = task.sched_policy, task.sched_priority
    thread.signals = task.signals.for_clone(keep_altstack=False)
    process.tasks.append(thread)
    machine.family.entry(process).threads += 1
    _prepare(thread, arguments)
    if arguments.flags & CLONE_PARENT_SETTID:
        process.memory.write_u32(arguments.parent_tid, tid)
    machine.handler.on_task(task, thread)
    machine.scheduler.add(thread)
    return tid


def _prepare(child: LinuxTask, arguments: CloneArguments) -> None:
    """The child's registers and ids, whether it is a thread or a process."""
    flags = arguments.flags
    child.set_reg(0, 0)
    if arguments.stack:
        child.set_reg(31, arguments.stack)
    if flags & CLONE_SETTLS:
        child.set_system("tpidr", arguments.tls)
    child.pc_written = False
    if flags & CLONE_CLEAR_SIGHAND:
        child.process.signals.reset_for_exec()
    if flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = arguments.child_tid
    if flags & CLONE_CHILD_SETTID:
        child.process.memory.write_u32(arguments.child_tid, child.tid)


@syscall("set_tid_address")
def sys_set_tid_address(task: LinuxTask, address: int) -> int:
    """set_tid_address(2)."""
    task.clear_child_tid = address
    return task.tid


@syscall("gettid")
def sys_gettid(task: LinuxTask) -> int:
    """gettid(2)."""
    return task.tid


@syscall("exit")
def sys_exit(task: LinuxTask, code: int) -> int:
    """_exit(2) of one thread; the last one's status is the process's (synchronize_group_exit)."""
    process, family = task.process, task.machine.family
    if all(other.exited for other in process.tasks if other is not task):
        family.exit_process(process, code)
    else:
        family.end_task(task)
    raise NoReturn


@syscall("exit_group")
def sys_exit_group(task: LinuxTask, code: int) -> int:
    """exit_group(2)."""
    task.machine.family.exit_process(task.process, code)
    raise NoReturn


@syscall("rseq")
def sys_rseq(task: LinuxTask, area: int, size: int, flags: int, signature: int) -> int:
    """rseq(2): refused, as by a kernel without CONFIG_RSEQ; libc then does without."""
    raise fail(errno.ENOSYS)


@syscall("sched_yield")
def sys_sched_yield(task: LinuxTask) -> int:
    """sched_yield(2)."""
    task.machine.scheduler.yield_slice()
    return 0


@syscall("membarrier")
def sys_membarrier(task: LinuxTask, command: int, flags: int, cpu: int) -> int:
    """membarrier(2): one CPU runs all threads of a process, so every barrier holds already."""
    if flags:
        raise fail(errno.EINVAL)
    known = 0x1FF
    if s32(command) == 0:
        return known & ~(1 << 5 | 1 << 6)
    if s32(command) < 0 or not command & known or command & (command - 1):
        raise fail(errno.EINVAL)
    return 0


__all__ = ("CLONE_FILES", "CLONE_FS", "CLONE_PARENT", "CloneArguments")
