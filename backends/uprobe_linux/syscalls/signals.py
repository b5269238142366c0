"""The rt_sig* calls, sigaltstack, and kill and its relatives.

Facts: kernel/signal.c; sigaction(2), sigtimedwait(2), sigaltstack(2), kill(2).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.shared.pids import INIT_PID
from uprobe_linux.signals.delivery import return_from_handler
from uprobe_linux.signals.numbers import LAST_SIGNAL, SI_TKILL, SI_USER, UNBLOCKABLE, bit
from uprobe_linux.signals.sending import send_to_entry
from uprobe_linux.signals.siginfo import SIGINFO_BYTES, SigInfo
from uprobe_linux.signals.table import SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, AltStack, Disposition
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import Block, NoReturn, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.shared.pids import ProcessEntry

SIGSET_BYTES = 8
SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2
MINSIGSTKSZ = 5120
"""arm64's minimum (uapi/asm/signal.h)."""


def _check_size(size: int) -> None:
    if size != SIGSET_BYTES:
        raise fail(errno.EINVAL)


@syscall("rt_sigaction")
def sys_rt_sigaction(task: LinuxTask, signo: int, new: int, old: int, size: int) -> int:
    """sigaction(2); arm64's struct is handler, flags, restorer, mask: 8 bytes each."""
    _check_size(size)
    memory, table, number = task.process.memory, task.process.signals, s32(signo)
    action = None
    if new:
        handler, flags, restorer, mask = struct.unpack("<4Q", memory.read(new, 32))
        action = Disposition(handler, flags, mask & ~UNBLOCKABLE, restorer)
    if not 1 <= number <= LAST_SIGNAL or (action and bit(number) & UNBLOCKABLE):
        raise fail(errno.EINVAL)
    before = table.action(number)
    if action is not None:
        table.set_action(number, action)
        if table.ignores(number):
            for other in task.process.tasks:
                other.signals.pending.discard(bit(number))
    if old:
        memory.write(old, struct.pack("<4Q", before.handler, before.flags, before.restorer, before.mask))
    return 0


@syscall("rt_sigprocmask")
def sys_rt_sigprocmask(task: LinuxTask, how: int, new: int, old: int, size: int) -> int:
    """sigprocmask(2), for the calling thread."""
    _check_size(size)
    memory, signals = task.process.memory, task.signals
    before = signals.blocked
    if new:
        mask = memory.read_u64(new)
        choices = {SIG_BLOCK: before | mask, SIG_UNBLOCK: before & ~mask, SIG_SETMASK: mask}
        if s32(how) not in choices:
            raise fail(errno.EINVAL)
        signals.set_blocked(choices[s32(how)])
    if old:
        memory.write_u64(old, before)
    return 0


@syscall("rt_sigpending")
def sys_rt_sigpending(task: LinuxTask, result: int, size: int) -> int:
    """sigpending(2)."""
    if size > SIGSET_BYTES:
        raise fail(errno.EINVAL)
    mask = (task.signals.pending.mask | task.process.signals.pending.mask) & task.signals.blocked
    task.process.memory.write(result, mask.to_bytes(8, "little")[:size])
    return 0


@syscall("rt_sigsuspend")
def sys_rt_sigsuspend(task: LinuxTask, mask: int, size: int) -> int:
    """sigsuspend(2): ends with EINTR when a handler has run."""
    _check_size(size)
    if task.wait is None:
        task.signals.swap_mask(task.process.memory.read_u64(mask))
    raise Block(task.wait or Wait(interrupted=-errno.EINTR))


@syscall("rt_sigtimedwait")
def sys_rt_sigtimedwait(task: LinuxTask, mask: int, info: int, timeout: int, size: int) -> int:
    """sigtimedwait(2): EAGAIN when the time is over."""
    _check_size(size)
    memory, signals = task.process.memory, task.signals
    wanted = memory.read_u64(mask) & ~UNBLOCKABLE
    wait = task.wait or Wait(deadline=_deadline(task, timeout), interrupted=_stop_waiting(task))
    signals.waiting_for = wanted
    taken = signals.pending.take(~wanted) or task.process.signals.pending.take(~wanted)
    if taken is None and not wait.timed_out and wait.deadline != 0:
        raise Block(wait)
    signals.waiting_for = 0
    if taken is None:
        raise fail(errno.EAGAIN)
    if taken.timer is not None:
        taken = task.machine.timers.delivered(taken)
    if info:
        memory.write(info, taken.pack())
    return int(taken.signo)


def _stop_waiting(task: LinuxTask) -> Callable[[], int]:
    def interrupted() -> int:
        task.signals.waiting_for = 0
        return -errno.EINTR

    return interrupted


def _deadline(task: LinuxTask, timeout: int) -> int | None:
    """Clock time at which a relative timespec at *timeout* is over; 0: at once; None: never."""
    if not timeout:
        return None
    seconds, nanoseconds = struct.unpack("<qq", task.process.memory.read(timeout, 16))
    if seconds < 0 or not 0 <= nanoseconds < 10**9:
        raise fail(errno.EINVAL)
    length = seconds * 10**9 + nanoseconds
    return task.machine.clock.monotonic() + length if length else 0


@syscall("rt_sigreturn")
def sys_rt_sigreturn(task: LinuxTask) -> int:
    """sigreturn(2)."""
    return_from_handler(task)
    raise NoReturn


@syscall("sigaltstack")
def sys_sigaltstack(task: LinuxTask, new: int, old: int) -> int:
    """sigaltstack(2)."""
    memory, signals, sp = task.process.memory, task.signals, task.get_reg(31)
    stack = signals.altstack
    on_stack = stack.holds(sp)
    before = (stack.sp, _shown_flags(stack, on_stack), stack.size)
    if new:
        start, flags, size = struct.unpack("<QixxxxQ", memory.read(new, 24))
        signals.altstack = _new_stack(start, flags, size, on_stack)
    if old:
        memory.write(old, struct.pack("<QixxxxQ", *before))
    return 0


def _shown_flags(stack: AltStack, on_stack: bool) -> int:
    mode = SS_DISABLE if not stack.size else SS_ONSTACK if on_stack else 0
    flags = mode | stack.flags & SS_AUTODISARM
    return flags - (1 << 32) if flags >> 31 else flags


def _new_stack(start: int, flags: int, size: int, on_stack: bool) -> AltStack:
    if on_stack:
        raise fail(errno.EPERM)
    mode = flags & 0x7FFF_FFFF
    if mode not in (0, SS_ONSTACK, SS_DISABLE):
        raise fail(errno.EINVAL)
    if mode == SS_DISABLE:
        return AltStack(0, flags & 0xFFFF_FFFF, 0)
    if size < MINSIGSTKSZ:
        raise fail(errno.ENOMEM)
    return AltStack(start, flags & 0xFFFF_FFFF, size)


# --- sending -------------------------------------------------------------------------------------


def _check_signal(signo: int) -> int:
    number = s32(signo)
    if not 0 <= number <= LAST_SIGNAL:
        raise fail(errno.EINVAL)
    return number


def _process(task: LinuxTask, pid: int) -> ProcessEntry:
    entry = task.machine.family.pids.get(pid)
    if entry is None:
        raise fail(errno.ESRCH)
    return entry


def _from(task: LinuxTask, signo: int, code: int) -> SigInfo:
    entry = task.machine.family.entry(task.process)
    return SigInfo.from_sender(signo, code, task.process.pid, entry.uid)


@syscall("kill")
def sys_kill(task: LinuxTask, pid: int, signo: int) -> int:
    """kill(2): a process, a group (0, -PGID) or all others (-1)."""
    number, target = _check_signal(signo), s32(pid)
    pids = task.machine.family.pids
    mine = task.machine.family.entry(task.process)
    if target > 0:
        targets = [_process(task, _group_of(task, target))]
    elif target == -1:
        targets = [entry for entry in pids if entry.pid not in (INIT_PID, mine.pid)]
    else:
        targets = pids.group(-target or mine.pgid)
    if not targets:
        raise fail(errno.ESRCH)
    if number:
        for entry in targets:
            if entry.alive:
                send_to_entry(task.machine, entry, _from(task, number, SI_USER))
    return 0


def _group_of(task: LinuxTask, tid: int) -> int:
    """The process of thread *tid*, when it is one of ours; else *tid* itself."""
    for process in task.machine.family.local.values():
        if any(other.tid == tid and not other.exited for other in process.tasks):
            return process.pid
    return tid


def _send_to_thread(task: LinuxTask, tgid: int, tid: int, info: SigInfo | None) -> int:
    family = task.machine.family
    for process in family.local.values():
        for other in process.tasks:
            if other.tid == tid and not other.exited and tgid in (0, process.pid):
                if info is not None:
                    send_to_entry(task.machine, family.entry(process), info, tid)
                return 0
    entry = family.pids.get(tgid or tid)
    if entry is None or not entry.alive or entry.pid in family.local:
        raise fail(errno.ESRCH)
    if info is not None:
        send_to_entry(task.machine, entry, info, tid)
    return 0


@syscall("tkill")
def sys_tkill(task: LinuxTask, tid: int, signo: int) -> int:
    """tkill(2)."""
    if s32(tid) <= 0:
        raise fail(errno.EINVAL)
    number = _check_signal(signo)
    return _send_to_thread(task, 0, s32(tid), _from(task, number, SI_TKILL) if number else None)


@syscall("tgkill")
def sys_tgkill(task: LinuxTask, tgid: int, tid: int, signo: int) -> int:
    """tgkill(2)."""
    if s32(tid) <= 0 or s32(tgid) <= 0:
        raise fail(errno.EINVAL)
    number = _check_signal(signo)
    return _send_to_thread(task, s32(tgid), s32(tid), _from(task, number, SI_TKILL) if number else None)


def _read_info(task: LinuxTask, pid: int, signo: int, address: int) -> SigInfo:
    """The siginfo of sigqueue; EPERM for codes that only a kernel may send to others."""
    info = SigInfo.unpack(task.process.memory.read(address, SIGINFO_BYTES))
    info = SigInfo(_check_signal(signo), info.code, info.payload, info.errno)
    if (info.code >= 0 or info.code == SI_TKILL) and pid != task.process.pid:
        raise fail(errno.EPERM)
    return info


@syscall("rt_sigqueueinfo")
def sys_rt_sigqueueinfo(task: LinuxTask, pid: int, signo: int, address: int) -> int:
    """rt_sigqueueinfo(2)."""
    info = _read_info(task, s32(pid), signo, address)
    entry = _process(task, _group_of(task, s32(pid)))
    if info.signo and entry.alive:
        send_to_entry(task.machine, entry, info)
    return 0


@syscall("rt_tgsigqueueinfo")
def sys_rt_tgsigqueueinfo(task: LinuxTask, tgid: int, tid: int, signo: int, address: int) -> int:
    """rt_tgsigqueueinfo(2)."""
    if s32(tid) <= 0 or s32(tgid) <= 0:
        raise fail(errno.EINVAL)
    info = _read_info(task, s32(tgid), signo, address)
    return _send_to_thread(task, s32(tgid), s32(tid), info if info.signo else None)
