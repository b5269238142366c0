"""System calls that the CPU makes by itself (forms.py says which): when, and what it has to know for that.

The handlers of this package are the reference, and stay in charge of everything that is not
plain: the CPU leaves such a call to them before anything has happened.  What one of
these calls would change in Python (the clock, the count, the signal mask) is kept by the CPU's own
object or taken over after each run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.system_call_numbers import NUMBERS
from uprobe_linux.fs.file_times import CAPACITY
from uprobe_linux.processes.rlimits import INFINITY, RLIMIT_FSIZE
from uprobe_linux.scheduling.clock import EPOCH, SYSCALL_NS, UPTIME
from uprobe_linux.syscalls.forms import FORMS, Lent, masks_of
from uprobe_linux.syscalls.ordering import LOCAL
from uprobe_linux.syscalls.own_descriptors import OwnDescriptors
from uprobe_linux.syscalls.own_maps import OwnMaps
from uprobe_linux.syscalls.own_threads import OwnThreads

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process, Task
    from uprobe_linux.processes.world import World

__all__ = ("OwnCalls",)


class OwnCalls:
    """Keeps the CPU's object (``Cpu.calls``) up to date; one for each machine whose CPU has one.

    Runs that are told of each call or that count instructions up to a limit, and those on the
    host's clock, have all calls made here.
    """

    def __init__(self, machine: World) -> None:
        assert machine.cpu.calls is not None
        self._machine = machine
        self._calls = calls = machine.cpu.calls
        self._maps = OwnMaps(machine, calls)
        self._descriptors = OwnDescriptors(calls, machine.sandbox.mounts, self._maps)
        self._process: Process | None = None
        self._tables: tuple[object, object] = (None, None)
        """The dispositions and the limits that the CPU knows."""
        self.threads = OwnThreads(machine, calls)
        calls.monotonic, calls.realtime, calls.call_ns = UPTIME, EPOCH, SYSCALL_NS
        if machine.file_times is not None:
            calls.set_file_times(machine.file_times.memory, CAPACITY)
        calls.counted = machine.target.limits.memory is not None
        for name, form in FORMS.items():
            turn = Lent(0) if name in LOCAL else Lent.TURN
            calls.lend(NUMBERS[name], form.lent | turn, tuple(mask.row() for mask in masks_of(name)))

    @classmethod
    def of(cls, machine: World) -> OwnCalls | None:
        """Those of *machine*, None where all calls are made here."""
        target = machine.target
        limits = target.limits
        counts = limits.instructions is not None or not machine.clock.virtual
        if machine.cpu.calls is None or target.on_syscall is not None or counts:
            return None
        return cls(machine)

    def before(self, task: Task, grace: int) -> None:
        """*task* is about to run guest code; its slice may be prolonged *grace* times."""
        calls, signals, process = self._calls, task.signals, task.process
        calls.on = not task.stepping and signals.saved_mask is None
        if not calls.on:
            return
        calls.pid, calls.tid = process.pid, task.tid
        machine = self._machine
        calls.blocked = signals.blocked
        calls.pending = signals.pending.mask | process.signals.pending.mask
        calls.look_at = machine.scheduler.look_at()
        calls.idle = machine.clock.idle
        calls.alone, calls.turn_ends = machine.family.alone, machine.turns.ends
        calls.opens_noticed = machine.turns.opens_noticed
        memory = process.memory
        calls.writes_watched = process.rlimits[2 * RLIMIT_FSIZE] != INFINITY or bool(memory.shared_code)
        calls.memory_shared = memory.shares
        calls.signal_files = process.signal_watcher is not None
        calls.single = len(process.tasks) == 1
        calls.robust_list, calls.clear_child_tid = task.robust_list, task.clear_child_tid
        tables = process.signals.actions, process.rlimits
        if tables[0] is not self._tables[0] or tables[1] is not self._tables[1]:
            calls.set_tables(*tables)
            self._tables = tables
        self.threads.before(task, grace)
        self._descriptors.show(process)
        self._process, process.memory.behind = process, self
        self._maps.show(process)

    def after(self, task: Task) -> None:
        """*task* has run guest code last, and may have made calls by itself."""
        calls = self._calls
        made = calls.made
        if not made:
            return
        calls.made = 0
        self._machine.count("syscalls", made)
        task.signals.blocked = calls.blocked
        if calls.single:
            task.robust_list, task.clear_child_tid = calls.robust_list, calls.clear_child_tid
        if calls.change_count:
            self._descriptors.take_over(task.process)
        self._maps.tell()

    @property
    def is_behind(self) -> bool:
        """Whether the process that ran last has mapped what its address space does not know."""
        return bool(self._calls.maps_live)

    def catch_up(self) -> None:
        """Put that there."""
        assert self._process is not None
        self._descriptors.take_over(self._process)

    @property
    def grace(self) -> int:
        """How often the slice of the thread that ran last may still be prolonged."""
        return self._calls.grace
