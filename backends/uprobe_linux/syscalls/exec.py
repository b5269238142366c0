"""execve and execveat.

Facts: fs/exec.c (begin_new_exec: what a process keeps and loses), execve(2).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.processes.forking import move_out
from uprobe_linux.processes.left_behind import release_robust_list
from uprobe_linux.program.exec import install, prepare
from uprobe_linux.scheduling.turns import EVERY
from uprobe_linux.signals.numbers import Sig
from uprobe_linux.signals.table import AltStack
from uprobe_linux.syscalls.support import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, fail, files, path_at
from uprobe_linux.syscalls.table import NoReturn, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.memory.address_space import AddressSpace
    from uprobe_linux.processes.task import LinuxTask

ARG_STRING_MAX = 131072
"""MAX_ARG_STRLEN: bytes of one argument, its NUL included."""
ARGS_MAX = 6 << 20
"""Bytes of all strings and their pointers that are read at most (fs/exec.c, bprm_stack_limits)."""


@syscall("execve")
def sys_execve(task: LinuxTask, path: int, argv: int, envp: int) -> int:
    """execve(2)."""
    return _execute(task, path_at(task, path), argv, envp)


@syscall("execveat")
def sys_execveat(task: LinuxTask, dirfd: int, path: int, argv: int, envp: int, flags: int) -> int:
    """execveat(2)."""
    if flags & 0xFFFF_FFFF & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW):
        raise fail(errno.EINVAL)
    name, fd = path_at(task, path), s32(dirfd)
    if name.startswith("/") or (fd == AT_FDCWD and name):
        return _execute(task, name, argv, envp)
    if not name and not flags & AT_EMPTY_PATH:
        raise fail(errno.ENOENT)
    files(task).get(fd)
    return _execute(
        task, f"/proc/self/fd/{fd}/{name}" if name else f"/proc/self/fd/{fd}", argv, envp, of_descriptor=fd
    )


def _strings(task: LinuxTask, address: int) -> list[bytes]:
    """The strings of a null-terminated pointer array; a null pointer is an empty one (Linux allows it)."""
    found: list[bytes] = []
    memory, total = StringReader(task.process.memory), 0
    while address and (pointer := memory.pointer(address)):
        try:
            found.append(memory.string(pointer))
        except OSError:
            raise fail(errno.E2BIG) from None
        total += len(found[-1]) + 9
        if total > ARGS_MAX:
            raise fail(errno.E2BIG)
        address += 8
    return found


class StringReader:
    """Pointers and strings that lie close together, as they do in argv and environ: a page is read once."""

    def __init__(self, memory: AddressSpace) -> None:
        self._memory = memory
        self._pages: dict[int, bytes] = {}

    def _page(self, address: int) -> bytes:
        """The page of *address*, b"" if it cannot be read."""
        start = address & -PAGE
        if start not in self._pages:
            readable = self._memory.accessible(start, PAGE, Perm.READ) == PAGE
            self._pages[start] = self._memory.read(start, PAGE) if readable else b""
        return self._pages[start]

    def pointer(self, address: int) -> int:
        """The 64-bit word at *address*; raises MemoryFault."""
        at = address & (PAGE - 1)
        page = self._page(address) if at <= PAGE - 8 else b""
        return int.from_bytes(page[at : at + 8], "little") if page else self._memory.read_u64(address)

    def string(self, address: int) -> bytes:
        """The bytes at *address* up to a NUL; raises MemoryFault, and OSError if it is too long."""
        at, page = address & (PAGE - 1), self._page(address)
        end = page.find(0, at)
        return page[at:end] if end >= 0 else self._memory.read_cstr(address, ARG_STRING_MAX)


def _execute(task: LinuxTask, path: str, argv: int, envp: int, of_descriptor: int = -1) -> int:
    """Run *path*; with *of_descriptor* it is reached through that descriptor, and AT_EXECFN says so."""
    image = prepare(task.process, path, _strings(task, argv), _strings(task, envp))
    if of_descriptor >= 0:
        image.name = image.name.replace(b"/proc/self/fd/", b"/dev/fd/", 1)
    if _shares_memory(task) and not move_out(task):
        raise NoReturn
    task.machine.switch_to(task)  # in a new host process nobody is current yet
    task.machine.turns.take()
    task.machine.turns.touch(EVERY)
    _become_single(task)
    _reset(task)
    _tell_parent(task)
    task.machine.turns.forgo()
    task.machine.tell_code(task.process)
    task.machine.handler.on_exec(task)
    try:
        install(task, image)
    except (OSError, MemoryFault):
        # Too late to fail: the old program is gone (fs/exec.c, bprm->point_of_no_return).
        task.machine.family.kill_process(task.process, Sig.SEGV)
        raise NoReturn from None
    if of_descriptor >= 0:
        task.name = os.path.basename(os.fsencode(image.file.path))[:15]
    _describe(task)
    raise NoReturn


def _shares_memory(task: LinuxTask) -> bool:
    processes = task.machine.family.local.values()
    return any(p is not task.process and p.memory is task.process.memory for p in processes)


def _become_single(task: LinuxTask) -> None:
    """All other threads end, and the caller becomes the main one (de_thread)."""
    process, family = task.process, task.machine.family
    for other in list(process.tasks):
        if other is not task and not other.exited:
            family.end_task(other, whole_process=True)
    process.tasks[:] = [task]
    task.tid = process.pid
    family.entry(process).threads = 1


def _reset(task: LinuxTask) -> None:
    release_robust_list(task)
    task.robust_list = task.clear_child_tid = 0
    signals = task.signals
    signals.altstack, signals.saved_mask, signals.waiting_for = AltStack(), None, 0
    task.process.signals.reset_for_exec()
    task.machine.timers.forget_posix(task.process)
    task.process.files.close_on_exec()
    task.machine.family.ipc.detach(task.process.pid, task.machine.clock.realtime() // 10**9)


def _describe(task: LinuxTask) -> None:
    family = task.machine.family
    family.entry(task.process).comm = task.comm
    family.papers.write(task.process)
    if task.process.credentials is not None:
        task.process.credentials.after_exec()


def _tell_parent(task: LinuxTask) -> None:
    """A parent in another host process that waits for its vfork child to execute something may go on."""
    family = task.machine.family
    entry = family.entry(task.process)
    entry.executed, entry.death_signal = 1, 0
    parent = family.pids.get(entry.ppid) if entry.vforked else None
    if parent is not None and parent.host_pid != entry.host_pid:
        family.nudge(parent.host_pid)
