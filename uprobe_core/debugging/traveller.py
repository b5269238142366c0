"""A copy that runs to another moment, stands still there, and answers what is asked of it.

The first half of this file is in that process, the second half in the run's own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from uprobe_core.debugging.channel import Channel, Closed
from uprobe_core.debugging.copies import Copy, Forge
from uprobe_core.debugging.orders import Stop
from uprobe_core.debugging.view import View
from uprobe_core.debugging.wanted import NOTHING, Wanted
from uprobe_core.errors import UprobeError
from uprobe_core.pauses import Pause, PauseKind, Position
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, Process, Task
    from uprobe_core.debugging.journal import Journal
    from uprobe_core.pauses import Pauses

__all__ = ("Errand", "Outcome", "Passed", "Traveller", "TravellerHere")

_CALLS = {PauseKind.CALL: "call", PauseKind.ANSWER: "answer"}


class Passed(NamedTuple):
    """Something that stops, as it was passed on the way.

    :param position: where to stop for it, which is behind a store; None: nothing was passed
    :param kind: as that of a Stop
    :param address: of a store, the start of what it was to
    :param number: of the system call
    """

    position: Position | None
    kind: str = "breakpoint"
    address: int = 0
    number: int = 0

    def stop(self, signal: int = 0) -> Stop:
        """To be told when the run stands there."""
        assert self.position is not None
        return Stop(self.kind, self.position.tid, signal, address=self.address, number=self.number)


_NOWHERE = Passed(None)


@dataclass(frozen=True)
class Errand:
    """Where to run.

    :param until: stop there
    :param window: see Pauses.pause_at
    :param wanted: where to stop, before a store to what is watched, or with *collect* what to remember
    :param step: the number of a thread: stop once it has made a step
    :param collect: whether nothing but *until* stops, and what is passed on the way is told
    :param trace: with *collect*: also all positions in the window, with a copy at its start
    :param passed: signals that do not stop, None: none does
    """

    until: Position
    window: int
    wanted: Wanted = NOTHING
    step: int = 0
    collect: bool = False
    trace: bool = False
    passed: frozenset[int] | None = None


@dataclass
class Outcome:
    """What became of an errand.

    :param kind: "reached", "missed" (it was passed over: the window was too small), "breakpoint", "step",
        "store", "call", "answer", "signal", "asked"
    :param last: with *collect*: what was passed last, otherwise more of why it stopped
    :param trace: positions, in order, before *until*
    :param calls: the state of the journal
    :param copy: the pid of a copy that was made at the first of *trace*
    """

    kind: str
    position: Position
    signal: int = 0
    last: Passed = _NOWHERE
    trace: list[Position] = field(default_factory=list)
    calls: tuple[int, int] = (0, 0)
    copy: int = 0


class TravellerHere:
    """In the copy."""

    def __init__(
        self, channel: Channel, machine: Machine, pauses: Pauses, forge: Forge, journal: Journal
    ) -> None:
        self._channel, self._machine, self._pauses = channel, machine, pauses
        self._forge, self._journal = forge, journal
        self._view = View(machine, pauses)
        self._errand: Errand | None = None
        self._outcome = Outcome("", Position(0, 0, 0))
        self._copy: Channel | None = None
        self._placed: dict[int, Any] = {}
        self._stored = 0
        """The start of what is being stored to."""
        self._stepping: Task | None = None
        """Who is to make a step."""
        signal.signal(signal.SIGALRM, lambda *_: self._pauses.interrupt())
        pauses.watch(self._paused)
        channel.send(os.getpid())

    def stand(self) -> None:
        """Answer until there is an errand; the run goes on when this returns."""
        try:
            while True:
                (what, *arguments), _ = self._channel.receive()
                if what == "run":
                    self._begin(arguments[0])
                    return
                self._channel.send(self._answer(arguments))
        except Closed:
            os._exit(0)

    def _answer(self, arguments: list[Any]) -> tuple[str, Any]:
        """ "value" and what was asked for, or what went wrong: errors belong to who asked."""
        try:
            return "value", self._view.call(*arguments)
        except MemoryFault as fault:
            return "fault", (fault.address, fault.access, fault.kind)
        except (UprobeError, IndexError) as error:
            return "error", str(error)

    def _begin(self, errand: Errand) -> None:
        self._errand, self._outcome, self._stored = errand, Outcome("", Position(0, 0, 0)), 0
        self._stepping = None
        process = self._machine.current.process if self._machine.current is not None else None
        self._place(errand.wanted, process)
        self._pauses.passed = frozenset()  # the latest moment may be one before a signal
        at, in_call = errand.until.executed, bool(errand.until.call)
        if errand.trace:
            self._pauses.pause_at(max(at - errand.window, 0), in_calls=in_call)
        else:
            self._pauses.pause_at(at, errand.window, in_calls=in_call)
        if errand.collect:
            self._see(self._pauses.position(), starting=True)
        elif errand.step and process is not None:
            tasks = self._pauses.tasks(process)
            self._stepping = next((task for task in tasks if task.tid == errand.step), None)
            self._pauses.step(self._stepping)

    def _place(self, wanted: Wanted, process: Process | None) -> None:
        """Have the program pause for what is *wanted*, and nothing else."""
        for address in [*self._placed]:
            if address not in wanted.breakpoints:
                self._pauses.remove_breakpoint(self._placed.pop(address), address)
        for address in wanted.breakpoints.keys() - self._placed.keys():
            assert process is not None
            self._pauses.add_breakpoint(process, address)
            self._placed[address] = process
        if process is not None:
            self._pauses.watch_stores(process, wanted.watched)
        self._pauses.calls = wanted.calls
        self._pauses.holds = self._holds if any(wanted.breakpoints.values()) else None

    def _holds(self, task: Task, address: int) -> bool:
        errand = self._errand
        return errand is None or errand.wanted.is_hit(self._view, task.tid, address)

    def _is_hit(self, here: Position) -> bool:
        """Whether a breakpoint stops there."""
        assert self._errand is not None
        return not here.call and self._errand.wanted.is_hit(self._view, here.tid, here.pc)

    def _paused(self, pause: Pause) -> None:
        kind = self._kind(pause)
        if kind is None:
            return
        self._outcome.kind, self._outcome.position = kind, self._pauses.position()
        self._outcome.signal, self._outcome.calls = pause.signal, self._journal.state()
        copy, self._copy = self._copy, None
        try:
            self._channel.send(self._outcome, None if copy is None else copy.end.fileno())
        except Closed:
            os._exit(0)
        if copy is not None:
            copy.close()
        self.stand()

    def _kind(self, pause: Pause) -> str | None:
        """What the errand has come to, None: it goes on."""
        errand, here = self._errand, self._pauses.position()
        assert errand is not None
        if pause.kind is PauseKind.ASKED:
            return "asked"
        if pause.kind is PauseKind.SIGNAL:
            if here == errand.until:
                return "reached"
            if errand.passed is not None and pause.signal not in errand.passed:
                return "signal"
            self._pauses.step(self._stepping)  # which the pause has ended
            return None
        self._see_store(pause, here)
        if here == errand.until:
            return "reached"
        if here.executed > errand.until.executed:
            return "missed"
        if errand.collect:
            self._see(here)
            if pause.kind in _CALLS:
                self._outcome.last = Passed(here, _CALLS[pause.kind], number=pause.number)
            return None
        return self._why(pause, here)

    def _why(self, pause: Pause, here: Position) -> str | None:
        """What stops before the end of the errand."""
        if self._is_hit(here):
            return "breakpoint"
        if pause.kind in _CALLS:
            self._outcome.last = Passed(here, number=pause.number)
            return _CALLS[pause.kind]
        if pause.kind is PauseKind.STORE:
            self._outcome.last = Passed(here, address=pause.address)
            return "store"
        return "step" if pause.kind is PauseKind.STEP else None

    def _see_store(self, pause: Pause, here: Position) -> None:
        """What follows a store on the way is remembered."""
        errand = self._errand
        assert errand is not None
        if self._stored:
            self._outcome.last, self._stored = Passed(here, "store", self._stored), 0
            self._stepping = None
        if pause.kind is PauseKind.STORE and errand.collect and here != errand.until:
            self._stored, self._stepping = pause.address, pause.task
            self._pauses.step(pause.task)

    def _see(self, here: Position, *, starting: bool = False) -> None:
        """On the way."""
        errand = self._errand
        assert errand is not None
        if here != errand.until and self._is_hit(here):
            self._outcome.last = Passed(here)
        if errand.trace and here.executed >= errand.until.executed - errand.window:
            if not self._outcome.trace and not starting and not here.call and self._leave_copy():
                return
            if here != errand.until and not here.call:
                self._outcome.trace.append(here)

    def _leave_copy(self) -> bool:
        """Leave a copy of this moment behind; whether we are that, woken later and with another errand."""
        try:
            woken, self._copy, self._outcome.copy = self._forge.fork()
        except OSError:
            return False
        if woken is None:
            return False
        self._channel.close()
        fresh = TravellerHere(woken, self._machine, self._pauses, self._forge, self._journal)
        fresh._placed = self._placed
        fresh.stand()
        return True


class Traveller:
    """The same, seen from the run.  Raises Closed if it is gone."""

    def __init__(self, copy: Copy) -> None:
        self._channel = copy.wake()
        self.pid: int = self._channel.receive()[0]

    def run(self, errand: Errand) -> tuple[Outcome, Channel | None]:
        """Have it run; the channel is that of the copy that it left behind."""
        self._channel.send(("run", errand))
        outcome, descriptor = self._channel.receive()
        return outcome, None if descriptor is None else Channel(socket.socket(fileno=descriptor))

    def call(self, method: str, *arguments: Any) -> Any:
        """As View.call."""
        self._channel.send(("view", method, *arguments))
        (kind, answer), _ = self._channel.receive()
        if kind == "fault":
            raise MemoryFault(*answer)
        if kind == "error":
            raise UprobeError(answer)
        return answer

    def interrupt(self) -> None:
        """Have it stop where it is; from any thread."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGALRM)

    def end(self) -> None:
        """Have it gone."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
