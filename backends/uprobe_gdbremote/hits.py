"""What a stop means: a probe was hit, a step is done, a signal came; and how the task goes on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uprobe_core.types import Analysis, Fault, FaultKind, MemoryFault, TrapResult, Verdict
from uprobe_gdbremote.exclusives import LOOK, exits, length, words_of
from uprobe_gdbremote.points import SIZE, Point
from uprobe_gdbremote.stops import SIGTRAP

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler
    from uprobe_gdbremote.forks import Forks
    from uprobe_gdbremote.runner import Runner
    from uprobe_gdbremote.stops import Stop
    from uprobe_gdbremote.task import RemoteTask

__all__ = ("Hits",)

_SIGILL, _SIGBUS, _SIGFPE, _SIGSEGV = 4, 7, 8, 11
_FAULTS = {
    _SIGILL: FaultKind.UNDEFINED,
    _SIGBUS: FaultKind.ADRERR,
    _SIGFPE: FaultKind.UNDEFINED,
    _SIGSEGV: FaultKind.MAPERR,
}
"""Signals that an instruction makes, and what is said of it where the stub tells no more."""
_SIGNALS = {
    FaultKind.MAPERR: _SIGSEGV,
    FaultKind.ACCERR: _SIGSEGV,
    FaultKind.ADRERR: _SIGBUS,
    FaultKind.ALIGN: _SIGBUS,
    FaultKind.UNDEFINED: _SIGILL,
    FaultKind.BREAKPOINT: SIGTRAP,
}


class Machine(Protocol):
    """What is asked of the machine."""

    def look(self, task: RemoteTask) -> None:
        """Libraries of the process of *task* came or went."""
        ...

    def signal_code(self) -> int | None:
        """The si_code of the signal that the program stopped with, None where the stub does not tell."""
        ...

    def executed(self, task: RemoteTask, path: str) -> None:
        """The process of *task* is the program at *path* now."""
        ...

    def decide_here(self, why: str) -> None:
        """Have the stub decide no filters any more, because of *why*."""
        ...

    def run_to(self, *addresses: int, until_fault: bool = False) -> int:
        """Let the current thread, and no other, run to one of *addresses*; what ended it, 0 for that."""
        ...


class Hits:
    """Tells *handler* of the stops of tasks.

    :param forks: lets forked processes go
    """

    def __init__(
        self,
        runner: Runner,
        handler: ProbeHandler,
        forks: Forks,
        machine: Machine,
    ) -> None:
        self._runner, self._handler, self._machine = runner, handler, machine
        self._forks = forks
        self._signal = 0
        """What the current task gets when it goes on."""

    # --- going on ------------------------------------------------------------------------------------

    def go_on(self, task: RemoteTask) -> None:
        """Resume the program; *task* stopped last."""
        signal, self._signal = self._signal, 0
        steps = self.is_busy(task)
        if not signal and task.held and not steps:
            signal = task.held.popleft()
        alone = task.lifted is not None
        if task.process.points.conditional and not steps:
            task.process.points.go_on_at(task.pc)
        self._runner.resume(task, step=steps, signal=signal, alone=alone)

    @staticmethod
    def is_busy(task: RemoteTask) -> bool:
        """Whether *task* does an instruction somewhere or somehow else than it would without us."""
        return task.stepping or task.finishing or task.lifted is not None

    def put_back(self, task: RemoteTask) -> None:
        """Have *task* be where it would be without slots."""
        place = task.process.slots.place_of(task.pc)
        if place is not None:
            task.pc = place[0]

    # --- SIGTRAP -------------------------------------------------------------------------------------

    def trapped(self, task: RemoteTask, stop: Stop) -> None:
        """*task* stopped with a SIGTRAP: a breakpoint of ours, a step, or the program's own trap."""
        if "library" in stop.reasons:
            self._machine.look(task)
            return
        if "exec" in stop.reasons:
            path = bytes.fromhex(stop.reasons["exec"].decode("ascii"))
            self._machine.executed(task, path.decode("utf-8", "surrogateescape"))
            return
        if "create" in stop.reasons:
            self._machine.decide_here("the program has threads")
            return
        if not stop.reasons.keys().isdisjoint(("fork", "vfork", "vforkdone")):
            self._forks.take(task, stop)
            return
        task.held_since = 0.0
        pc = task.pc
        if not self.is_busy(task) and self._is_sent(stop):
            self.signalled(task, SIGTRAP)
        elif task.lifted is not None:
            self._landed(task, task.lifted, pc)
        elif task.finishing:
            task.finishing = False
            self.put_back(task)
        elif task.stepping:
            self._handler.on_step_done(task)
        else:
            self._arrived(task, pc)

    def _is_sent(self, stop: Stop) -> bool:
        """Whether somebody has sent the program this SIGTRAP, as kill(2) does, so that no place was hit."""
        if not stop.thread or not stop.reasons.keys().isdisjoint(("swbreak", "hwbreak")):
            return False
        code = self._machine.signal_code()
        return code is not None and code <= 0

    def _arrived(self, task: RemoteTask, pc: int) -> None:
        point = task.process.points.get(pc)
        if point is None or not point.inserted or point.core:
            self._own_trap(task, pc)
            return
        task.process.points.arrived(point)
        if self._told(task, point):
            self._displace(task, point)

    def _told(self, task: RemoteTask, point: Point) -> bool:
        """Tell everybody who wants to know; whether the task has yet to do the instruction there."""
        address = point.address
        if not point.is_wanted:
            task.process.points.in_vain(point)
            return point.inserted
        if point.ours is not None:
            point.ours()
        if point.watches:
            self._handler.on_watch(task, address)
        if task.pc == address and point.inline:
            self._handler.on_inline(task, address)
        if task.pc != address:
            return False
        if point.trap:
            return self._after_trap(task, point, self._handler.on_trap(task, address))
        return point.inserted

    def _after_trap(self, task: RemoteTask, point: Point, answer: TrapResult | Fault) -> bool:
        """False: the core did the instruction, or it faults, or is a trap of the program's own, in place."""
        if answer in (TrapResult.HANDLED, TrapResult.SIMULATED):
            return False
        if isinstance(answer, Fault):
            task.owed = _SIGNALS[answer.kind]
        self._lift(task, point)
        return False

    def _own_trap(self, task: RemoteTask, pc: int) -> None:
        """A trap instruction of the program, or the trampoline of the core."""
        answer = self._handler.on_trap(task, pc)
        if answer is TrapResult.NOT_OURS:
            self._signal = SIGTRAP
        elif isinstance(answer, Fault):
            self._signal = _SIGILL

    # --- the displaced instruction ---------------------------------------------------------------------

    def _displace(self, task: RemoteTask, point: Point) -> None:
        """Have *task* do the instruction that lies under the breakpoint of *point*."""
        analysis = self._analysis(task, point)
        if analysis.special == "in-place" and self._run_sequence(task, point):
            return
        if analysis.verdict is Verdict.SIMULATE and analysis.simulate is not None:
            try:
                analysis.simulate(task, task.process, point.address)
                return
            except MemoryFault:  # it faults for real where it lies
                task.pc = point.address
        elif analysis.special in ("", "svc") and analysis.verdict is not Verdict.REJECT:
            slot = task.process.slots.of(point.address, analysis.word.to_bytes(SIZE, "little"))
            if slot is not None:
                task.pc = slot
                return
        self._lift(task, point)

    def _run_sequence(self, task: RemoteTask, point: Point) -> bool:
        """Have *task* do all from a load-exclusive to its store; False if *point* is at no such load."""
        words = words_of(task.process.read(point.address, SIZE * LOOK))
        words = words[: length(words)]
        if not words:
            return False
        task.process.points.lift(point)
        try:
            self._signal = self._machine.run_to(*exits(words, point.address), until_fault=True)
        finally:
            if task.process.points.get(point.address) is point:
                task.process.points.insert(point)
        return True

    def _analysis(self, task: RemoteTask, point: Point) -> Analysis:
        if point.analysis is None:
            insn = task.process.read(point.address, SIZE)
            point.analysis = self._handler.analyze(insn, point.address)
        return point.analysis

    def _lift(self, task: RemoteTask, point: Point) -> None:
        """Have *task* do the instruction in place, alone, with the breakpoint out of its way."""
        task.process.points.lift(point)
        task.lifted = point

    def _landed(self, task: RemoteTask, point: Point, pc: int) -> None:
        """The instruction in place is done, or was a trap of the program's own."""
        self._put_back(task, point)
        self._signal, task.owed = task.owed, 0
        if pc == point.address and self._analysis(task, point).special == "trap":
            self._signal = SIGTRAP

    def _put_back(self, task: RemoteTask, point: Point) -> None:
        task.lifted = None
        if task.process.points.get(point.address) is point:
            task.process.points.insert(point)

    # --- other signals -------------------------------------------------------------------------------------

    def signalled(self, task: RemoteTask, signal: int) -> None:
        """*task* is to get *signal*: now, or when the instruction under way is done."""
        pc = task.pc
        if task.stepping:
            self._in_step(task, signal, pc)
        elif task.lifted is not None:
            if signal in _FAULTS:
                task.owed = 0
                self._put_back(task, task.lifted)
                self._signal = signal
            else:
                task.hold(signal)
        else:
            self._from_slot(task, signal, pc)

    def _from_slot(self, task: RemoteTask, signal: int, pc: int) -> None:
        place = task.process.slots.place_of(pc)
        if place is None:
            self._deliver(task, signal)
        elif place[1] or signal in _FAULTS:
            task.pc = place[0]
            self._signal = signal
        else:  # the instruction first: else its probe would be hit once more
            task.hold(signal)
            task.finishing = True

    def _deliver(self, task: RemoteTask, signal: int) -> None:
        """Let *task* have *signal* now, unless the core says that it has to wait."""
        if signal in _FAULTS or self._handler.may_deliver_signal(task):
            self._signal = signal
        else:
            task.hold(signal)

    def _in_step(self, task: RemoteTask, signal: int, pc: int) -> None:
        kind = _FAULTS.get(signal)
        if kind is None:
            self._deliver(task, signal)
            return
        answer = self._handler.on_step_fault(task, Fault(kind, pc, 0, None))
        if answer is not None:
            self._signal = signal
