"""From "somebody sends a signal" to "it is queued and whoever should wake does".

Facts: kernel/signal.c: prepare_signal (stop and continue cancel each other),
sig_ignored, complete_signal (which thread), do_notify_parent_cldstop.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from uprobe_linux.shared.pids import Mail, ProcessEntry, State
from uprobe_linux.signals.numbers import (
    CLD_CONTINUED,
    CLD_STOPPED,
    FIRST_REALTIME,
    LAST_SIGNAL,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SI_KERNEL,
    SI_QUEUE,
    Sig,
    bit,
)
from uprobe_linux.signals.siginfo import SigInfo
from uprobe_linux.signals.table import SIG_IGN

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine, Process, Task

__all__ = ("notify_parent", "raise_fault", "resume", "send", "send_to_entry", "send_to_task", "stop", "wants")

_STOPS = bit(Sig.STOP) | bit(Sig.TSTP) | bit(Sig.TTIN) | bit(Sig.TTOU)


def send(process: Process, info: SigInfo) -> None:
    """Send *info* to a process of this host process; the kernel's choice of thread takes it."""
    _queue(process, info, None)


def send_to_task(task: Task, info: SigInfo) -> None:
    """Send *info* to one thread of this host process (tgkill, faults of system calls)."""
    _queue(task.process, info, task)


def send_to_entry(machine: Machine, entry: ProcessEntry, info: SigInfo, tid: int = 0) -> None:
    """Send *info* to any process of the machine; OSError(ESRCH) if thread *tid* is known not to be."""
    process = machine.family.local.get(entry.pid)
    if process is None:
        now, moment = machine.clock.monotonic(), machine.turns.moment
        machine.family.pids.post(entry, Mail(info.signo, info.code, tid, now, info.payload, moment))
        machine.family.ring(entry.host_pid)
    elif not tid:
        send(process, info)
    else:
        task = next((t for t in process.tasks if t.tid == tid and not t.exited), None)
        if task is None:
            raise OSError(errno.ESRCH, os.strerror(errno.ESRCH))
        send_to_task(task, info)


def raise_fault(task: Task, info: SigInfo) -> None:
    """Send a synchronous signal that cannot be refused (force_sig_info).

    If it is blocked or ignored, its disposition becomes SIG_DFL and it is unblocked: the program dies.
    """
    signals, mask = task.signals, bit(info.signo)
    action = task.process.signals.action(info.signo)
    if signals.blocked & mask or action.handler == SIG_IGN:
        task.process.signals.reset(info.signo)
        signals.blocked &= ~mask
    signals.pending.add(info)


def _queue(process: Process, info: SigInfo, task: Task | None) -> None:
    signo, table = info.signo, process.signals
    if process.exit_code is not None:
        return
    if signo in (Sig.CONT, Sig.KILL):
        _forget(process, _STOPS)
        resume(process, report=signo == Sig.CONT)
    elif bit(signo) & _STOPS:
        _forget(process, bit(Sig.CONT))
    targets = [task] if task is not None else _alive(process)
    if table.ignores(signo) and not any(wants_blocked(t, signo) for t in targets):
        return
    queue = task.signals.pending if task is not None else table.pending
    if not queue.add(info) and info.code == SI_QUEUE and signo >= FIRST_REALTIME:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    if process.signal_watcher is not None:
        process.signal_watcher(process, signo)
    for target in targets:
        if target.signals.waiting_for & bit(signo):
            process.machine.scheduler.wake_task(target)
        elif wants(target, signo) or signo == Sig.KILL:
            process.machine.scheduler.interrupt(target)


def _alive(process: Process) -> list[Task]:
    return [task for task in process.tasks if not task.exited]


def wants_blocked(task: Task, signo: int) -> bool:
    """Whether *task* keeps an ignored signal all the same, because it blocks or waits for it."""
    return bool((task.signals.blocked | task.signals.waiting_for) & bit(signo))


def wants(task: Task, signo: int) -> bool:
    """Whether *task* would take *signo* now."""
    return not task.signals.blocked & bit(signo)


def _forget(process: Process, mask: int) -> None:
    process.signals.pending.discard(mask)
    for task in process.tasks:
        task.signals.pending.discard(mask)


def stop(process: Process, signo: int) -> None:
    """Stop *process* because of *signo*; its parent hears of it."""
    process.machine.turns.take()
    if process.signals.stopped:
        return
    process.signals.stopped = signo
    entry = process.machine.family.entry(process)
    entry.untold, entry.state, entry.news = 1, State.STOPPED, signo
    notify_parent(process, CLD_STOPPED, signo, job_control=True)


def resume(process: Process, *, report: bool) -> None:
    """Let a stopped *process* run again; with *report* (SIGCONT, not SIGKILL) its parent hears of it."""
    if not process.signals.stopped:
        return
    process.machine.turns.take()
    process.signals.stopped = 0
    entry = process.machine.family.entry(process)
    entry.state = State.RUNNING
    process.machine.scheduler.resumed()
    if report:
        entry.untold, entry.news = 1, -1
        notify_parent(process, CLD_CONTINUED, Sig.CONT, job_control=True)


def notify_parent(process: Process, code: int, status: int, *, job_control: bool = False) -> None:
    """Send the parent of *process* its SIGCHLD (or whatever clone asked for), and wake its waits.

    :param job_control: a stop or continue: always SIGCHLD, and SA_NOCLDSTOP keeps it away
    """
    machine = process.machine
    entry = machine.family.entry(process)
    parent = machine.family.pids.get(entry.ppid)
    if parent is not None and parent.alive:
        signo = Sig.CHLD if job_control else entry.exit_signal
        info = SigInfo.from_child(code, process.pid, entry.uid, status, entry.user_ns // 10**7)
        _tell(machine, parent, signo, info)
    entry.untold = 0


def _tell(machine: Machine, parent: ProcessEntry, signo: int, info: SigInfo) -> None:
    if signo == Sig.CHLD:
        receive_child_signal(machine, parent, info)
    elif 1 <= signo <= LAST_SIGNAL:
        send_to_entry(machine, parent, SigInfo(signo, info.code, info.payload))
    else:
        machine.family.nudge(parent.host_pid)
    machine.scheduler.wake(("children", parent.pid))


def receive_child_signal(machine: Machine, parent: ProcessEntry, info: SigInfo) -> None:
    """Send SIGCHLD, unless the parent is here and its SA_NOCLDSTOP or SA_NOCLDWAIT says what else to do."""
    process = machine.family.local.get(parent.pid)
    if process is None:
        send_to_entry(machine, parent, info)
        return
    action = process.signals.action(Sig.CHLD)
    machine.scheduler.wake(("children", parent.pid))
    if info.code in (CLD_STOPPED, CLD_CONTINUED):
        if not action.flags & SA_NOCLDSTOP:
            send(process, info)
    elif action.handler == SIG_IGN or action.flags & SA_NOCLDWAIT:
        machine.family.reap_silently(parent.pid)
        if action.handler != SIG_IGN:
            send(process, info)
    else:
        send(process, info)


def kernel_info(signo: int) -> SigInfo:
    """A signal that the kernel itself sends (SIGPIPE, SIGALRM ...): SI_KERNEL and nothing else."""
    return SigInfo(signo, SI_KERNEL)
