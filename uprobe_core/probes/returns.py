"""Return probes: pending returns of a task, and the two ways of seeing them end.

*hijack* is the kernel's way: the return address is swapped for a trampoline, records are
matched by stack order, and a record whose frame is gone is dropped.  *watch*
leaves it alone: it is watched and a return is recognised by
address and stack pointer together, so unwinding, longjmp and coroutines keep
working.  Either way each entry ends as a return or as a miss with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from uprobe_core.architecture import Registers
from uprobe_core.backend import Task
from uprobe_core.consumer import ReturnHit
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.registry import Link, Uprobe
from uprobe_core.probes.utask import PendingReturn, TaskState

__all__ = ("HijackReturns", "ReturnStrategy", "WatchReturns")

Deliver = Callable[[Link, ReturnHit], None]
Session = tuple[Link, Any]

_MAX_SUSPECTS = 1024
"""Frames that look abandoned, kept per task in case their stack is switched back to."""
_MAX_AGAIN = 1024
"""Tail calls in one frame that are followed; a program may go on by tail calls for ever."""


class ReturnStrategy(Protocol):
    """How pending returns are made and ended."""

    def enter(self, task: Task, utask: TaskState, uprobe: Uprobe, sessions: list[Session]) -> None:
        """A function was entered whose return the *sessions* want."""
        ...

    def abandon(self, task: Task, utask: TaskState, reason: str) -> None:
        """No pending return of *utask* will be seen any more (exec, exit)."""
        ...

    def inherited(self, task: Task, utask: TaskState, *, shares_memory: bool) -> None:
        """A fork gave *task* copies of its parent's pending returns."""
        ...


def _miss(instance: PendingReturn, reason: str) -> None:
    for link, _cookie in instance.sessions:
        if link.missed is not None:
            link.missed(instance.function, reason)


def _deliver(
    task: Task,
    now: int,
    instance: PendingReturn,
    pending: list[PendingReturn],
    deliver: Deliver,
    registers: Registers,
) -> None:
    """Call the consumers of a return; *pending* are the calls that the task is still in."""
    for link, cookie in instance.sessions:
        function, back = instance.function, instance.return_address
        hit = ReturnHit(task, function, back, instance.uprobe.offset, cookie, registers)
        hit._time, hit.inside_ns = now, instance.inside
        hit.around, hit.tell = partial(_around, instance), partial(_tell, instance, pending)
        deliver(link, hit)
    _pass_told(pending, instance)  # of those that did not count this call


def _caller(pending: list[PendingReturn], sp: int, address: int) -> PendingReturn | None:
    """Of the calls *pending* that which a call is made in, entered with *sp* and returning to *address*.

    One that was entered with the same SP and returns elsewhere was left by longjmp.
    """
    callers = (other for other in reversed(pending) if other.sp != sp or other.return_address == address)
    return next(callers, None)


def _around(instance: PendingReturn) -> tuple[tuple[str, ...], ...]:
    """The events at the functions of the calls around *instance*, and at its own, outermost first."""
    calls: list[PendingReturn] = []
    call: PendingReturn | None = instance
    while call is not None:
        calls.append(call)
        call = call.caller
    return tuple(tuple(link.consumer.name for link in call.uprobe.links) for call in reversed(calls))


def _tell(instance: PendingReturn, pending: list[PendingReturn], who: object, latency: int) -> int:
    """Of the *latency* of *instance* what *who* has not counted at returns in it; from now on he has."""
    before = instance.told.pop(who, 0)
    around = _same_around(pending, instance)
    if around is not None:
        around.told[who] = around.told.get(who, 0) + latency
    return max(latency - before, 0)


def _same_around(pending: list[PendingReturn], instance: PendingReturn) -> PendingReturn | None:
    """The newest of the calls *pending* that is of the function of *instance*."""
    return next((other for other in reversed(pending) if other.uprobe is instance.uprobe), None)


def _pass_told(pending: list[PendingReturn], instance: PendingReturn) -> None:
    """*instance* is not pending any more: what was counted in it was in the call around it."""
    around = _same_around(pending, instance) if instance.told else None
    if around is not None:
        for who, time in instance.told.items():
            around.told[who] = around.told.get(who, 0) + time
    instance.told.clear()


def _pass(pending: list[PendingReturn], inside: int) -> None:
    """A call is not the one behind *pending* any more: *inside* ns of it were in the last of those."""
    if pending:
        pending[-1].inside += inside


def _pass_over(pending: list[PendingReturn], instance: PendingReturn) -> None:
    """The same of a call that did not return: what was in it was in the call before it."""
    _pass(pending, instance.inside)
    _pass_told(pending, instance)


class HijackReturns:
    """The kernel's return instances (prepare_uretprobe and uprobe_handle_trampoline).

    :param depth: pending returns beyond which an entry is missed, None for no limit
    """

    def __init__(
        self, arch: ArchOps, deliver: Deliver, trampoline: Callable[[Task], int], depth: int | None
    ) -> None:
        self._arch, self._registers = arch, arch.info.registers
        self._deliver = deliver
        self._trampoline = trampoline
        self._depth = depth

    def enter(self, task: Task, utask: TaskState, uprobe: Uprobe, sessions: list[Session]) -> None:
        """Swap the return address and remember the original."""
        arch, pending = self._arch, utask.returns
        trampoline, sp = self._trampoline(task), task.get_reg(self._registers.sp)
        if self._depth is not None and len(pending) >= self._depth:
            _miss(PendingReturn(utask.vaddr, sp, 0, False, uprobe, sessions), "depth")
            return
        original = arch.hijack_return_addr(task, trampoline)
        chained = original == trampoline
        self._drop_dead(pending, sp, chained)
        if chained:
            if not pending:
                _miss(PendingReturn(utask.vaddr, sp, 0, False, uprobe, sessions), "no-caller")
                return
            original = pending[-1].return_address
        call = PendingReturn(utask.vaddr, sp, original, chained, uprobe, sessions, utask.now)
        call.caller = _caller(pending, sp, original)
        pending.append(call)

    def _drop_dead(self, pending: list[PendingReturn], sp: int, chained: bool) -> None:
        while pending and not self._arch.is_alive(pending[-1], sp, chained):
            instance = pending.pop()
            _pass_over(pending, instance)
            _miss(instance, "longjmp")

    def on_trampoline(self, task: Task, utask: TaskState) -> bool:
        """A return reached the trampoline; False: no record belongs to it (the task is lost)."""
        pending = utask.returns
        utask.now = task.clock()
        while pending:
            chain = self._pop_chain(pending)
            caller = pending[-1] if pending else None  # newest of the next chain, as find_next_ret_chain
            sp = task.get_reg(self._registers.sp)
            valid = caller is None or self._arch.is_alive(caller, sp, False)
            task.set_reg(self._registers.pc, chain[0].return_address)
            for number, instance in enumerate(chain, 1):
                outer = [*pending, *reversed(chain[number:])]
                if valid:
                    _pass(outer, utask.now - instance.entered)
                    _deliver(task, utask.now, instance, outer, self._deliver, self._registers)
                else:
                    _pass_over(outer, instance)
                    _miss(instance, "longjmp")
            if valid:
                return True
        return False

    @staticmethod
    def _pop_chain(pending: list[PendingReturn]) -> list[PendingReturn]:
        """The newest records up to and with the first that is not chained, newest first."""
        chain = [pending.pop()]
        while chain[-1].chained and pending:
            chain.append(pending.pop())
        return chain

    def inherited(self, task: Task, utask: TaskState, *, shares_memory: bool) -> None:
        """The child needs a trampoline where its parent's was (the kernel's dup_xol_work)."""
        if utask.returns and not shares_memory:
            self._trampoline(task)

    def abandon(self, task: Task, utask: TaskState, reason: str) -> None:
        """Miss everything that is pending."""
        while utask.returns:
            _miss(utask.returns.pop(), reason)


class WatchReturns:
    """Returns recognised by where they land; the program's own return address stays what it was.

    A return is there when PC is the return address, SP is what it was at
    entry and the link register still holds the return address, which a return
    leaves in place and a longjmp to the same spot does not.
    """

    def __init__(self, arch: ArchOps, deliver: Deliver) -> None:
        self._arch, self._registers = arch, arch.info.registers
        self._deliver = deliver

    def enter(self, task: Task, utask: TaskState, uprobe: Uprobe, sessions: list[Session]) -> None:
        """Watch the return address of the function just entered."""
        address, sp = self._arch.return_address(task), task.get_reg(self._registers.sp)
        self._see_landing(task, utask, sp)
        self._suspect_below(task, utask, sp)
        self._settle_again(task, utask, (sp, address, uprobe))
        call = PendingReturn(utask.vaddr, sp, address, False, uprobe, sessions, utask.now, jumps=utask.jumps)
        top = utask.returns[-1] if utask.returns else None
        if top is not None and (top.sp, top.return_address) == (sp, address):
            call.again = top.again + 1
        if call.again > _MAX_AGAIN:
            _miss(call, "depth")
            return
        call.caller = _caller(utask.returns, sp, address)
        utask.returns.append(call)
        task.process.insert_watch(address)

    def _settle_again(self, task: Task, utask: TaskState, call: tuple[int, int, Uprobe]) -> None:
        """The same call is made again, so its first time was left by longjmp, with all it had tail-called.

        Where longjmps are seen and there was none since then, it is a tail call: its first time stays.
        """
        for pending in (utask.suspects, utask.returns):
            frame = [n for n, i in enumerate(pending) if (i.sp, i.return_address) == call[:2]]
            same = [n for n in frame if pending[n].uprobe is call[2]]
            if pending is utask.returns and same:
                same = [n for n in same if not utask.jumps or pending[n].jumps != utask.jumps]
                same = [n for n in frame if n >= same[0]] if same else []
            for number in reversed(same):
                instance = pending.pop(number)
                if pending is utask.returns:
                    _pass_over(pending[:number], instance)
                self._settle(task, instance, "longjmp")

    def on_watch(self, task: Task, utask: TaskState, address: int) -> None:
        """*task* is at a watched address: deliver what returned there, suspect what it jumped over."""
        sp = task.get_reg(self._registers.sp)
        self._see_landing(task, utask, sp)
        for where in (utask.returns, utask.suspects):
            landed = [i for i in where if i.sp == sp and i.return_address == address]
            if landed:
                break
        else:
            return
        if where is utask.returns:
            self._suspect(task, utask, where.index(landed[-1]) + 1)  # in those that landed
        else:
            self._suspect_below(task, utask, sp)
        returned = self._arch.return_address(task) == address
        utask.now = task.clock()
        for instance in reversed(landed):
            number = where.index(instance)
            del where[number]
            task.process.remove_watch(address)
            outer = where[:number] if where is utask.returns else []
            if returned:
                _pass(outer, utask.now - instance.entered)
                others = [] if where is utask.returns else landed[: landed.index(instance)]
                calls = [*utask.returns, *others]
                _deliver(task, utask.now, instance, calls, self._deliver, self._registers)
            else:
                _pass_over(outer, instance)
                _miss(instance, "longjmp")

    def unwound(self, task: Task, utask: TaskState, lowest: int, highest: int) -> None:
        """An exception ended the calls that were entered with SP from *lowest* to *highest* (inclusive)."""
        utask.raised = 0
        for pending in (utask.returns, utask.suspects):
            for number in reversed(range(len(pending))):
                if lowest <= pending[number].sp <= highest:
                    instance = pending.pop(number)
                    if pending is utask.returns:
                        _pass_over(pending[:number], instance)
                    self._settle(task, instance, "exception")

    def _see_landing(self, task: Task, utask: TaskState, sp: int) -> None:
        """Only what an exception has jumped to has SP above where it was raised: the unwinder does not."""
        if utask.raised and sp > utask.raised:
            self.unwound(task, utask, utask.raised, sp)

    def _suspect_below(self, task: Task, utask: TaskState, sp: int) -> None:
        """Frames below *sp* look gone, unless their stack is another one that will be switched back to."""
        first = len(utask.returns)
        while first and utask.returns[first - 1].sp < sp:
            first -= 1
        self._suspect(task, utask, first)

    def _suspect(self, task: Task, utask: TaskState, first: int) -> None:
        """Frames of the calls from number *first* on look gone."""
        pending = utask.returns
        while len(pending) > first:
            instance = pending.pop()
            _pass_over(pending, instance)
            utask.suspects.append(instance)
        while len(utask.suspects) > _MAX_SUSPECTS:
            self._settle(task, utask.suspects.pop(0), "longjmp")

    @staticmethod
    def _settle(task: Task, instance: PendingReturn, reason: str) -> None:
        task.process.remove_watch(instance.return_address)
        _miss(instance, reason)

    def inherited(self, task: Task, utask: TaskState, *, shares_memory: bool) -> None:
        """Watches came with copied memory; in shared memory the child's own are added to them."""
        if shares_memory:
            for instance in (*utask.returns, *utask.suspects):
                task.process.insert_watch(instance.return_address)

    def abandon(self, task: Task, utask: TaskState, reason: str) -> None:
        """Miss everything that is pending; what had been jumped over is said to be so."""
        for pending, why in ((utask.suspects, "longjmp"), (utask.returns, reason)):
            while pending:
                instance = pending.pop()
                if reason == "exec":
                    _miss(instance, why)
                else:
                    self._settle(task, instance, why)
