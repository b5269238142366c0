"""On the way back to the program: which signal is taken, and what becomes of the task.

Facts: arch/arm64/kernel/signal.c (do_signal, handle_signal, sigsp,
setup_return, sys_rt_sigreturn), kernel/signal.c (get_signal, signal_delivered).
"""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.signals.frame import FRAME_BYTES, Frame, FrameError, frame_addresses
from uprobe_linux.signals.numbers import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SEGV_MAPERR,
    SI_KERNEL,
    Action,
    Sig,
    bit,
    default_action,
)
from uprobe_linux.signals.sending import raise_fault, stop
from uprobe_linux.signals.siginfo import SigInfo
from uprobe_linux.signals.table import SIG_DFL, SIG_IGN, SS_AUTODISARM, AltStack, Disposition

if TYPE_CHECKING:
    from collections.abc import Callable

    from uprobe_linux.kernel import Task
    from uprobe_linux.signals.table import PendingSignals

__all__ = (
    "Outcome",
    "deliver",
    "has_pending",
    "is_ignored",
    "push_handler",
    "return_from_handler",
    "take",
    "upcoming",
)

SP, PC, PSTATE = 31, 32, 33
_BTYPE_TCO = 3 << 10 | 1 << 25
_BTYPE_CALL = 2 << 10
"""A handler is entered as by BLR (setup_return in arch/arm64/kernel/signal.c)."""


class Outcome(enum.Enum):
    """What :func:`deliver` leaves behind."""

    RUN = "run"
    """Go on, perhaps in a handler."""
    STOPPED = "stopped"
    """The process was stopped."""
    KILLED = "killed"
    """The process was ended."""


def has_pending(task: Task) -> bool:
    """Whether :meth:`deliver` has anything to do for *task*; cheap, for every return to the program."""
    signals = task.signals
    if signals.saved_mask is not None:
        return True
    return bool((signals.pending.mask | task.process.signals.pending.mask) & ~signals.blocked)


def deliver(task: Task, before: Callable[[Task], None] | None = None) -> Outcome:
    """Take all signals that are pending and not blocked; each handler's frame lies below the one before.

    :param before: called before each is taken
    """
    while upcoming(task) is not None:
        if before is not None:
            before(task)
        info = take(task)
        outcome = Outcome.RUN if info is None else _act(task, info)
        if outcome is not Outcome.RUN:
            return outcome
    _restore_mask(task)
    return Outcome.RUN


def upcoming(task: Task) -> SigInfo | None:
    """The signal that *task* takes next."""
    queue, blocked = _next_queue(task)
    return queue.next(blocked)


def is_ignored(task: Task, signo: int) -> bool:
    """Whether nothing comes of *signo* when *task* takes it."""
    handler = task.process.signals.action(signo).handler
    return handler == SIG_IGN or (handler == SIG_DFL and default_action(signo) is Action.IGNORE)


def take(task: Task) -> SigInfo | None:
    """Remove and return it."""
    queue, blocked = _next_queue(task)
    return queue.take(blocked)


def _next_queue(task: Task) -> tuple[PendingSignals, int]:
    """The task's own signals first, then the process's, which the main thread takes if it can."""
    blocked = task.signals.blocked
    if task.signals.pending.mask & ~blocked:
        return task.signals.pending, blocked
    main = task.process.tasks[0]
    if main is not task and not main.exited:
        blocked |= ~main.signals.blocked & ~bit(Sig.KILL)
    return task.process.signals.pending, blocked


def _act(task: Task, info: SigInfo) -> Outcome:
    """Carry out one signal."""
    table = task.process.signals
    action = table.action(info.signo)
    if info.timer is not None:
        info = task.machine.timers.delivered(info)
    if action.handler == SIG_IGN:
        return Outcome.RUN
    if action.handler != SIG_DFL:
        push_handler(task, info, action)
        return Outcome.RUN
    return _default(task, info)


def _default(task: Task, info: SigInfo) -> Outcome:
    kind = default_action(info.signo)
    if kind is Action.IGNORE:
        return Outcome.RUN
    if kind is Action.STOP:
        if info.signo != Sig.STOP and task.machine.family.is_orphaned(task.process):
            return Outcome.RUN
        stop(task.process, info.signo)
        return Outcome.STOPPED
    task.machine.handler.on_killed(task, info.signo)
    task.process.killed_at = (task.get_reg(PC), info.fault_address)
    task.machine.family.kill_process(task.process, info.signo)
    return Outcome.KILLED


def push_handler(task: Task, info: SigInfo, action: Disposition) -> None:
    """Make *task* enter its handler, with the frame on the right stack.

    A stack that cannot hold the frame is SIGSEGV, as force_sigsegv has it.
    """
    _finish_call(task, action)
    signals = task.signals
    mask = signals.blocked if signals.saved_mask is None else signals.saved_mask
    try:
        _write_frame(task, info, action, mask)
    except MemoryFault:
        if info.signo == Sig.SEGV:
            task.process.signals.reset(Sig.SEGV)
        raise_fault(task, SigInfo(Sig.SEGV, SI_KERNEL))
        return
    signals.saved_mask = None
    extra = 0 if action.flags & SA_NODEFER else bit(info.signo)
    signals.set_blocked(signals.blocked | action.mask | extra)
    if signals.altstack.flags & SS_AUTODISARM:
        signals.altstack = AltStack()
    if action.flags & SA_RESETHAND:
        task.process.signals.reset(info.signo)


def _finish_call(task: Task, action: Disposition) -> None:
    """Decide what an interrupted system call answers: EINTR, a part, or the same call again."""
    wait, task.wait, task.pending = task.wait, None, None
    if wait is None:
        return
    task.machine.scheduler.abandon(wait)
    answer = wait.when_interrupted()
    if answer is None and action.flags & SA_RESTART:
        task.set_reg(PC, task.get_reg(PC) - 4)
        return
    task.set_reg(0, -errno.EINTR if answer is None else answer)


def _stack_for(task: Task, action: Disposition) -> int:
    sp, alt = task.get_reg(SP), task.signals.altstack
    if action.flags & SA_ONSTACK and alt.size and not alt.holds(sp):
        return int(alt.sp + alt.size)
    return sp


def _write_frame(task: Task, info: SigInfo, action: Disposition, mask: int) -> None:
    address, record = frame_addresses(_stack_for(task, action))
    signals = task.signals
    regs, vectors = task.all_regs()
    frame = Frame(
        regs,
        vectors,
        task.get_system("fpsr"),
        task.get_system("fpcr"),
        mask,
        signals.altstack.as_tuple(),
        signals.fault_address,
        signals.esr,
    )
    if action.flags & SA_SIGINFO:
        frame.siginfo = info.pack()
    link = regs[29].to_bytes(8, "little") + regs[30].to_bytes(8, "little")
    task.process.memory.write(address, frame.pack() + link)
    _enter(task, info.signo, action, address, record)


def _enter(task: Task, signo: int, action: Disposition, frame: int, record: int) -> None:
    restorer = action.restorer if action.flags & SA_RESTORER else task.process.sigreturn_address
    if action.flags & SA_SIGINFO:
        task.set_reg(1, frame)
        task.set_reg(2, frame + 128)
    task.set_reg(0, signo)
    task.set_reg(29, record)
    task.set_reg(30, restorer)
    task.set_reg(SP, frame)
    task.set_reg(PSTATE, task.get_reg(PSTATE) & ~_BTYPE_TCO | _BTYPE_CALL)
    task.set_reg(PC, action.handler)


def _restore_mask(task: Task) -> None:
    """No handler ran: a call that swapped the mask for its duration and is over gets its own back."""
    signals = task.signals
    if signals.saved_mask is not None and task.wait is None:
        signals.set_blocked(signals.saved_mask)
        signals.saved_mask = None


def return_from_handler(task: Task) -> None:
    """rt_sigreturn: everything as the frame at sp says; a bad frame is SIGSEGV."""
    sp = task.get_reg(SP)
    try:
        if sp & 15:
            raise FrameError("misaligned")
        frame = Frame.unpack(task.process.memory.read(sp, FRAME_BYTES))
    except (FrameError, MemoryFault):
        raise_fault(task, SigInfo.from_fault(Sig.SEGV, SEGV_MAPERR, sp))
        return
    task.set_all_regs(frame.regs, frame.vectors)
    task.set_system("fpsr", frame.fpsr)
    task.set_system("fpcr", frame.fpcr)
    task.signals.set_blocked(frame.sigmask)
    task.signals.altstack = AltStack(*frame.altstack)
