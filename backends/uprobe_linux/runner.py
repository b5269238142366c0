"""The loop that runs tasks: switch, run, handle what happened, all outside of the emulator's callbacks."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from typing import TYPE_CHECKING

from uprobe_core.types import Access, Fault, FaultKind, MemoryFault, TrapResult
from uprobe_linux.calls import Wait
from uprobe_linux.cpu import Event, Perm
from uprobe_linux.memory.address_space import untagged
from uprobe_linux.scheduling.clock import SYSCALL_NS
from uprobe_linux.scheduling.exclusives import LOOK_AHEAD, ends_exclusive_sequence
from uprobe_linux.signals.delivery import deliver, has_pending
from uprobe_linux.signals.faults import UPROBE_BRK, deliver_fault
from uprobe_linux.signals.numbers import Sig
from uprobe_linux.syscalls import ordering, table
from uprobe_linux.syscalls.own import OwnCalls

if TYPE_CHECKING:
    from uprobe_linux.calls import Syscall
    from uprobe_linux.kernel import Task
    from uprobe_linux.pausing.pauses import LinuxPauses
    from uprobe_linux.processes.world import World
    from uprobe_linux.scheduling.run_limits import RunLimits

__all__ = ("Runner",)

PC = 32
MASK64 = (1 << 64) - 1
SHOW_SECONDS = 0.4
_GRACE = 8
"""Slices in a row that may be prolonged because they would end in an exclusive sequence."""
_BOUNDARIES = (Event.SYSCALL, Event.SLICE, Event.IDLE, Event.CALLED)
"""Events that come after the same instructions whatever is probed: time alone makes a slice end at these."""
_ACCESS = {int(Perm.READ): Access.READ, int(Perm.WRITE): Access.WRITE, int(Perm.EXEC): Access.FETCH}


class Runner:
    """Drives the tasks of *machine* that live in this host process."""

    def __init__(self, machine: World, limits: RunLimits) -> None:
        self._machine = machine
        self._limits = limits
        self._cpu = machine.cpu
        self._handler = machine.handler
        self._clock = machine.clock
        self._turns = machine.turns
        self.pauses: LinuxPauses | None = None
        """As soon as somebody has asked for them."""
        self._tell = machine.target.on_syscall
        self._table = table.Table()
        self._own = OwnCalls.of(machine)
        self.threads = None if self._own is None else self._own.threads
        """Those that the CPU lets take turns by itself, if it does."""
        self._cpu.set_inline(self._on_hook)
        self._events, self._shown = 0, 0.0

    def run(self) -> None:
        """Until no task is left in this host process, or a stop was requested."""
        machine, scheduler = self._machine, self._machine.scheduler
        while not machine.stop_requested:
            self._call_soon()
            task = scheduler.next(machine.current)
            if task is None:
                return
            machine.switch_to(task)
            self._slice(task)

    def _slice(self, task: Task) -> None:
        """Run *task* until it blocks, ends or has to let others run."""
        machine, scheduler, cpu = self._machine, self._machine.scheduler, self._cpu
        limits, own, turns, grace = self._limits, self._own, self._turns, _GRACE
        samples = machine.target.on_sample is not None
        others_see = turns.several and task.process.memory.is_shared_to_write()
        while not machine.stop_requested:
            if task.pending is not None and not self._go_on(task):
                return
            if has_pending(task) and not self._signals(task):
                return
            if task.stepping and not task.landings:
                task.process.probes.begin_step(task)
            if samples:
                cpu.hold_samples(task.stepping)
            if others_see:
                turns.take()
            pauses = self.pauses
            if pauses is not None and pauses.looks_at(task):
                pauses.before(task)
                if machine.stop_requested:
                    return
            cpu.skip_hook, task.skip_hook = task.skip_hook, -1
            if own is not None:
                own.before(task, grace)
            budget = scheduler.budget() if pauses is None else pauses.budget(scheduler.budget())
            event = cpu.run(0 if task.stepping else limits.budget(budget))
            limits.account()
            pauses = self.pauses
            if pauses is not None and pauses.on:
                pauses.after()
            if own is not None:
                task = machine.current or task  # threads may have taken turns
                own.after(task)
                grace = own.grace
            self._events += 1
            if event is Event.STOP or not self._events & 0xFF:
                self._show()
            if event is Event.SLICE and grace and self._in_exclusive_sequence(task):
                grace -= 1
                continue
            grace = _GRACE
            self._handle(task, event)
            task = machine.current or task
            if task.exited or task.wait is not None:
                return
            if not task.stepping and (machine.soon or scheduler.must_switch(timed=event in _BOUNDARIES)):
                return

    def _show(self) -> None:
        """Twice a second, whatever the program does: who is killed has lost no more than that."""
        now = time.monotonic()
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            self._handler.on_idle()

    @staticmethod
    def _in_exclusive_sequence(task: Task) -> bool:
        memory, pc = task.process.memory, task.get_reg(PC)
        try:
            code = memory.read(pc, 4 * LOOK_AHEAD)
        except MemoryFault:
            code = memory.read(pc, memory.accessible(pc, 4 * LOOK_AHEAD, Perm.READ) & ~3)
        return ends_exclusive_sequence(word for (word,) in struct.iter_unpack("<I", code))

    def _call_soon(self) -> None:
        soon = self._machine.soon
        while soon:
            soon.popleft()()

    def _signals(self, task: Task) -> bool:
        """Take pending signals; whether *task* may run on."""
        if not self._handler.may_deliver_signal(task):
            return True
        pauses = self.pauses
        if pauses is not None:
            pauses.interrupts(task)
            if self._machine.stop_requested:
                return False
        deliver(task, None if pauses is None or not pauses.on else pauses.signal)
        if pauses is not None and pauses.on:
            pauses.signals_taken(task)
        if task.exited or task.process.signals.stopped:
            return False
        if task.pending is not None:
            self._machine.scheduler.block(task, task.wait or Wait())
            return False
        return True

    # --- events --------------------------------------------------------------------------------

    def _handle(self, task: Task, event: Event) -> None:
        if event is Event.SYSCALL:
            self._system_call(task)
        elif event is Event.FAULT:
            self._memory_fault(task)
        elif event is Event.BREAK:
            self._breakpoint(task)
        elif event is Event.HOOK:
            if not task.pc_written:
                task.skip_hook = self._cpu.hook_address
        elif event is Event.UNDEFINED:
            self._undefined(task)
        elif event is Event.ALIGN:
            self._misaligned(task)
        elif event is Event.DEAD:
            self._gave_up(task)

    def _gave_up(self, task: Task) -> None:
        """The emulator is of no more use: for the processes that are here it was an illegal instruction."""
        text = f"uprobe: warning: the emulator cannot execute what is at {task.get_reg(PC):#x}: SIGILL\n"
        with contextlib.suppress(OSError):
            os.write(2, text.encode())
        for process in list(self._machine.family.local.values()):
            self._machine.family.kill_process(process, Sig.ILL)

    # --- system calls --------------------------------------------------------------------------

    def _system_call(self, task: Task) -> None:
        if task.stepping:
            self._step_done(task)  # first, so that the call sees the task's own PC
        *arguments, number = self._cpu.syscall_registers()
        task.syscall_number = number & 0xFFFF_FFFF
        if self.pauses is not None and self.pauses.on:
            self.pauses.call(task, task.syscall_number, answered=False)
            if self._machine.stop_requested:
                return
            *arguments, _ = self._cpu.syscall_registers()  # who looked may have changed them
        if self._tell is not None:
            self._tell.called(task, table.name_of(task.syscall_number), tuple(arguments))
        self._clock.advance(SYSCALL_NS)
        machine = self._machine
        machine.count("syscalls")
        entry = self._table.get(number & 0xFFFF_FFFF)
        if entry is None:
            machine.count("unknown-syscalls")
            machine.count(f"unknown:{table.name_of(number)}")
            task.set_reg(0, -errno.ENOSYS & MASK64)
            if self._tell is not None:
                name = table.name_of(number & 0xFFFF_FFFF)
                self._tell.answered(task, name, tuple(arguments), -errno.ENOSYS)
            self._answered(task)
            return
        self._call(task, entry, tuple(arguments))

    def _call(self, task: Task, entry: Syscall, arguments: tuple[int, ...]) -> bool:
        """Make the call; False if the task now sleeps."""
        if self._turns.several and entry.ordered:
            ordering.enter(self._turns, task, entry, arguments)
            if task.exited:
                return False
        try:
            result = table.call(entry, task, arguments)
            self._turns.settle()
        except table.NoReturn:
            self._turns.settle()
            task.wait = task.pending = None
            if self._tell is not None and self._is_here(task):
                self._tell.answered(task, entry.name, arguments[: entry.arguments], None)
            return True
        except table.Block as block:
            self._turns.settle()
            task.wait = block.wait
            task.wait.woken = False
            task.pending = (entry, arguments)
            if has_pending(task) and block.wait.interruptible:
                return self._signals_instead(task)
            self._machine.scheduler.block(task, block.wait)
            return False
        task.wait = task.pending = None
        if self._tell is not None:
            self._tell.answered(task, entry.name, arguments[: entry.arguments], result)
        if not task.exited:
            task.set_reg(0, result & MASK64)
            self._answered(task)
        return True

    def _answered(self, task: Task) -> None:
        """*task* has the result of its call."""
        if self.pauses is not None:
            self.pauses.call(task, task.syscall_number, answered=True)

    def _is_here(self, task: Task) -> bool:
        """Not a child, whose parent is told, nor one that executes its program in another host process."""
        machine = self._machine
        return machine.current is task and (task.exited or task.process.pid in machine.family.local)

    def _signals_instead(self, task: Task) -> bool:
        """The call would sleep but a signal is there: take it; False if the task now sleeps or is gone."""
        return self._signals(task)

    def _go_on(self, task: Task) -> bool:
        """A sleeper was woken: make its call again if what it waits for is there, else see to its signals."""
        wait = task.wait
        if wait is None or wait.woken or wait.timed_out:
            return self._call_again(task)
        if has_pending(task):
            return self._signals(task)
        self._machine.scheduler.block(task, wait)
        return False

    def _call_again(self, task: Task) -> bool:
        assert task.pending is not None
        entry, arguments = task.pending
        return self._call(task, entry, arguments) and not task.exited

    # --- traps and faults ------------------------------------------------------------------------

    def _breakpoint(self, task: Task) -> None:
        address = task.get_reg(PC)
        if task.stepping:
            if address in task.landings:
                self._step_done(task)
            else:
                self._deliver(task, Fault(FaultKind.BREAKPOINT, address, address))
            return
        task.pc_written = False
        if self._machine.target.on_sample is not None:
            self._cpu.look_for_sample(address)
        result = self._handler.on_trap(task, address)
        if result is TrapResult.SIMULATED:
            self._cpu.retire(1)
        if result in (TrapResult.HANDLED, TrapResult.SIMULATED):
            return
        if isinstance(result, Fault):
            deliver_fault(task, result)
            return
        word = task.process.memory.fetch_word(address)
        deliver_fault(
            task,
            Fault(FaultKind.BREAKPOINT, address, address),
            of_probes=word == UPROBE_BRK and task.process.probes.any,
        )

    def _step_done(self, task: Task) -> None:
        task.process.probes.end_step(task)
        self._handler.on_step_done(task)

    def _deliver(self, task: Task, fault: Fault) -> None:
        """Let a fault become a signal, after the core has had its say about a step."""
        if task.stepping:
            task.process.probes.end_step(task)
            kept = self._handler.on_step_fault(task, fault)
            if kept is None:
                return
            fault = kept
        deliver_fault(task, fault)

    def _memory_fault(self, task: Task) -> None:
        cpu, memory = self._cpu, task.process.memory
        address, access = cpu.fault_address, _ACCESS[cpu.fault_access]
        pc = task.get_reg(PC)
        if access is Access.FETCH:
            if task.stepping and pc in task.landings:
                self._step_done(task)
                return
            address = pc
        kind = memory.refusal(address, cpu.fault_access)
        if kind is not None:
            self._deliver(task, Fault(kind, pc, untagged(address), access))
        elif access is Access.WRITE and self.pauses is not None and self.pauses.on:
            self.pauses.refused(task)

    def _undefined(self, task: Task) -> None:
        pc = task.get_reg(PC)
        if pc & 3:
            self._deliver(task, Fault(FaultKind.ALIGN, pc, pc, Access.FETCH))
        else:
            self._deliver(task, Fault(FaultKind.UNDEFINED, pc, pc))

    def _misaligned(self, task: Task) -> None:
        """An exclusive or atomic access; its base register (bits 9-5) holds the address."""
        pc = task.get_reg(PC)
        word = task.process.memory.fetch_word(pc)
        address = task.get_reg(word >> 5 & 31)
        access = Access.READ if word >> 22 & 1 else Access.WRITE
        self._deliver(task, Fault(FaultKind.ALIGN, pc, untagged(address), access))

    # --- inline hooks ----------------------------------------------------------------------------

    def _on_hook(self, address: int) -> bool:
        """Inside the emulator's callback: tell the core; True to stop there."""
        task = self._machine.current
        assert task is not None
        probes = task.process.probes
        task.pc_written = False
        if probes.at(address).watches:
            self._handler.on_watch(task, address)
        if probes.at(address).inline and not task.pc_written:
            self._handler.on_inline(task, address)
        return task.pc_written or probes.at(address).pauses > 0
