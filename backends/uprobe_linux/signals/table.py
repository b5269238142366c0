"""What a process and a task know about signals: dispositions, masks, queues.

Facts: kernel/signal.c (legacy_queue, next_signal, dequeue_signal,
sig_ignored), kernel/fork.c and fs/exec.c (what is copied, shared, reset).
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field

from uprobe_linux.signals.numbers import (
    FIRST_REALTIME,
    LAST_SIGNAL,
    SYNCHRONOUS,
    UNBLOCKABLE,
    Action,
    Sig,
    bit,
    default_action,
)
from uprobe_linux.signals.siginfo import SigInfo

__all__ = (
    "SIG_DFL",
    "SIG_IGN",
    "SS_AUTODISARM",
    "SS_DISABLE",
    "AltStack",
    "Disposition",
    "PendingSignals",
    "SignalTable",
    "TaskSignals",
)

SIG_DFL, SIG_IGN = 0, 1
SS_ONSTACK, SS_DISABLE, SS_AUTODISARM = 1, 2, 1 << 31
_WORDS = 4
"""Of a disposition."""
QUEUE_LIMIT = 31_000
"""Realtime signals that a queue holds; about what RLIMIT_SIGPENDING is on a small machine."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What sigaction set for one signal.

    :param handler: address, SIG_DFL or SIG_IGN
    :param flags: SA_* as the guest gave them
    :param mask: signals blocked while the handler runs
    """

    handler: int = SIG_DFL
    flags: int = 0
    mask: int = 0
    restorer: int = 0


@dataclass(slots=True)
class AltStack:
    """The alternate signal stack of a task; ``flags`` is SS_DISABLE while there is none."""

    sp: int = 0
    flags: int = SS_DISABLE
    size: int = 0

    def holds(self, sp: int) -> bool:
        """Whether stack pointer *sp* lies on it (on_sig_stack: sp exclusive below, inclusive above)."""
        return not self.flags & SS_AUTODISARM and self.sp < sp <= self.sp + self.size

    def as_tuple(self) -> tuple[int, int, int]:
        """(ss_sp, ss_flags, ss_size) as a frame stores it."""
        return self.sp, self.flags, self.size


class PendingSignals:
    """Signals that were sent and not yet taken: standard ones at most once, realtime ones in order."""

    changes = 0
    """Signals that were added to a queue of this host process: whoever has a copy of a mask looks at it."""

    def __init__(self) -> None:
        self.mask = 0
        self._queues: dict[int, deque[SigInfo]] = {}
        self._length = 0

    def add(self, info: SigInfo) -> bool:
        """Queue *info*; False if a standard signal was pending already, or the queue is full."""
        mask = bit(info.signo)
        if info.signo < FIRST_REALTIME and self.mask & mask:
            return False
        if self._length >= QUEUE_LIMIT:
            return False
        self.mask |= mask
        PendingSignals.changes += 1
        self._queues.setdefault(info.signo, deque()).append(info)
        self._length += 1
        return True

    def next(self, blocked: int) -> SigInfo | None:
        """The next one outside *blocked*: KILL, synchronous ones, others by number."""
        ready = self.mask & ~blocked
        if not ready:
            return None
        ready = ready & bit(Sig.KILL) or ready & SYNCHRONOUS or ready
        return self._queues[(ready & -ready).bit_length()][0]

    def take(self, blocked: int) -> SigInfo | None:
        """Remove and return it."""
        info = self.next(blocked)
        if info is not None:
            queue = self._queues[info.signo]
            queue.popleft()
            self._length -= 1
            if not queue:
                self.mask &= ~bit(info.signo)
        return info

    def discard(self, mask: int) -> None:
        """Forget the signals in the set *mask*."""
        for signo, queue in self._queues.items():
            if mask & bit(signo):
                self._length -= len(queue)
                queue.clear()
        self.mask &= ~mask


@dataclass(slots=True)
class SignalTable:
    """A process's side: dispositions (shared with CLONE_SIGHAND) and the queue of the thread group."""

    actions: array[int] = field(default_factory=lambda: array("Q", bytes(8 * _WORDS * LAST_SIGNAL)))
    """Of each signal, from 1: handler, flags, restorer, mask (sigaction's); a CPU may set them, too."""
    pending: PendingSignals = field(default_factory=PendingSignals)
    stopped: int = 0
    """Signal that stopped the process, 0 while it runs."""

    def action(self, signo: int) -> Disposition:
        """The disposition of *signo*."""
        handler, flags, restorer, mask = self.actions[_WORDS * (signo - 1) : _WORDS * signo]
        return Disposition(handler, flags, mask, restorer)

    def ignores(self, signo: int) -> bool:
        """Whether *signo* has no effect when taken: SIG_IGN, or SIG_DFL of one that is ignored by default."""
        handler = self.action(signo).handler
        return handler == SIG_IGN or (handler == SIG_DFL and default_action(signo) is Action.IGNORE)

    def set_action(self, signo: int, action: Disposition) -> None:
        """Install *action*; a pending signal that it ignores is forgotten (POSIX, do_sigaction)."""
        words = array("Q", (action.handler, action.flags, action.restorer, action.mask))
        self.actions[_WORDS * (signo - 1) : _WORDS * signo] = words
        if self.ignores(signo):
            self.pending.discard(bit(signo))

    def reset(self, signo: int) -> None:
        """*signo* has SIG_DFL again; one that is pending stays so."""
        self.actions[_WORDS * (signo - 1) : _WORDS * signo] = array("Q", bytes(8 * _WORDS))

    def for_fork(self, *, share_actions: bool) -> SignalTable:
        """A child's table: same dispositions (the same object with CLONE_SIGHAND), nothing pending."""
        return SignalTable(self.actions if share_actions else self.actions[:])

    def reset_for_exec(self) -> None:
        """Handlers become SIG_DFL, SIG_IGN stays (flush_signal_handlers); pending signals stay."""
        handlers, self.actions = self.actions[::_WORDS], array("Q", bytes(8 * len(self.actions)))
        self.actions[::_WORDS] = array("Q", (handler & (handler == SIG_IGN) for handler in handlers))

    def caught(self) -> tuple[int, int]:
        """(ignored set, caught set) as /proc/PID/status shows them."""
        handlers = list(enumerate(self.actions[::_WORDS], 1))
        ignored = sum(bit(signo) for signo, handler in handlers if handler == SIG_IGN)
        caught = sum(bit(signo) for signo, handler in handlers if handler > SIG_IGN)
        return ignored, caught


@dataclass(slots=True)
class TaskSignals:
    """A task's side.

    :param blocked: signal mask, bit N-1 for signal N
    :param saved_mask: what to put back after a handler that sigsuspend, ppoll ... let in; None: *blocked*
    :param waiting_for: the set that rt_sigtimedwait waits for, 0 otherwise
    :param fault_address, esr: of the last fault, as every later frame shows them (thread.fault_address)
    """

    blocked: int = 0
    saved_mask: int | None = None
    waiting_for: int = 0
    pending: PendingSignals = field(default_factory=PendingSignals)
    altstack: AltStack = field(default_factory=AltStack)
    fault_address: int = 0
    esr: int = 0

    def set_blocked(self, mask: int) -> None:
        """Replace the mask; KILL and STOP cannot be blocked."""
        self.blocked = mask & ~UNBLOCKABLE & _ALL

    def swap_mask(self, mask: int) -> None:
        """Block *mask* until the call under way is over (sigsuspend, ppoll, pselect, epoll_pwait).

        Call it once per call, not again when the blocked call is made again.  The
        old mask comes back when no handler ran, or is what the handler returns to.
        """
        if self.saved_mask is None:
            self.saved_mask = self.blocked
        self.set_blocked(mask)

    def for_clone(self, *, keep_altstack: bool) -> TaskSignals:
        """A new task's state: the same mask, nothing pending, an altstack unless memory is shared."""
        kept = self.altstack
        altstack = AltStack(kept.sp, kept.flags, kept.size) if keep_altstack else AltStack()
        return TaskSignals(self.blocked, altstack=altstack)


_ALL = (1 << LAST_SIGNAL) - 1
