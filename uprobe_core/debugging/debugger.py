"""The one who is called whenever the run stands still, and asks its client what to do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.debugging.history import CHANGED, EXECUTED
from uprobe_core.debugging.orders import Client, Order, Stop, stop_of
from uprobe_core.debugging.view import View
from uprobe_core.debugging.wanted import Conditions, Ranges, Wanted
from uprobe_core.pauses import Pause, PauseKind

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, Process, Task
    from uprobe_core.debugging.history import History
    from uprobe_core.pauses import Pauses

__all__ = ("Debugger",)


class Debugger:
    """Pauses of *machine*, shown to *client*.

    :param history: who goes to earlier moments, None: nobody can
    :param left: called once the client wants no more of the run
    """

    def __init__(
        self,
        machine: Machine,
        pauses: Pauses,
        client: Client,
        history: History | None,
        left: Callable[[], None],
    ) -> None:
        self._machine, self._pauses, self._left = machine, pauses, left
        self._client, self._history = client, history
        self._present = View(machine, pauses)
        self.text = ""
        """What the first stop is about."""
        self._breakpoints: dict[int, Process] = {}
        self._conditions: dict[int, Conditions] = {}
        """Of each breakpoint."""
        self._watched: Ranges = frozenset()
        self.active = False
        """Whether the client has seen a stop and not left."""
        self._is_changed = False

    @property
    def view(self) -> View:
        """The moment that is looked at."""
        past = None if self._history is None else self._history.view
        return past or self._present

    @property
    def is_past(self) -> bool:
        """Whether that is an earlier one than the run has come to."""
        return self.view is not self._present

    def set_breakpoint(self, address: int, on: bool, conditions: Conditions = ()) -> None:
        """Have the run stop before each execution at *address* if one of *conditions* holds, or no longer."""
        task = self._machine.current
        if on and address not in self._breakpoints and task is not None:
            self._breakpoints[address] = task.process
            self._pauses.add_breakpoint(task.process, address)
        elif not on and address in self._breakpoints:
            self._pauses.remove_breakpoint(self._breakpoints.pop(address), address)
            del self._conditions[address]
        if on:
            self._conditions[address] = conditions
        self._pauses.holds = self._holds if any(self._conditions.values()) else None

    def _holds(self, task: Task, address: int) -> bool:
        """Whether *task* is to stop at the breakpoint there, which may be the run's own."""
        return address not in self._conditions or self._wanted.is_hit(self._present, task.tid, address)

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self._conditions, self._watched, self._pauses.calls)

    def catch_calls(self, numbers: frozenset[int] | None) -> None:
        """Have the run stop where one of these system calls is made and where it is answered; None: all."""
        self._pauses.calls = numbers

    def set_watchpoint(self, start: int, end: int, on: bool) -> None:
        """Have the run stop before each store to [start, end), or no longer."""
        watched = {(start, end)}
        task = self._machine.current
        if task is not None:
            self._watched = self._watched | watched if on else self._watched - watched
            self._pauses.watch_stores(task.process, self._watched)

    def pass_signals(self, numbers: frozenset[int]) -> None:
        """Signals of the program's system that are delivered without a stop."""
        self._pauses.passed = numbers

    def changed(self) -> None:
        """The client has written to registers or memory of the latest moment."""
        self._is_changed = True

    def interrupt(self) -> None:
        """Have what runs stop, the run itself or a copy of it that runs again; from any thread."""
        if self._history is None or not self._history.interrupt():
            self._pauses.interrupt()

    def stopped_with(self, hit: Any) -> None:
        """The next stop is at *hit*, for clients that can show it."""
        show = getattr(self._client, "show_hit", None)
        if show is not None:
            show(hit)

    # --- stops -----------------------------------------------------------------------------------------

    def paused(self, pause: Pause) -> None:
        """The run stands still: the callback of Pauses.watch."""
        if pause.kind is PauseKind.POSITION and self._history is not None:
            self._history.keep()
            return
        if pause.kind is PauseKind.EXEC:
            self._breakpoints.clear()
            self._conditions.clear()
            self._watched = frozenset()
            if self._history is not None and self._history.renew(EXECUTED):
                return
            path = self._pauses.executable(pause.task.process)
            if not self.active or not self._client.executed(path):
                return
        if self._history is not None and self._history.stopped():
            return
        self.active = True
        self._obey(self._serve(stop_of(pause, self.text)), pause)
        self.text = ""

    def _serve(self, stop: Stop) -> Order:
        """Until the run is to go on from where it has come to."""
        present = stop
        while True:
            order = self._client.serve(stop)
            if order.kind in ("detach", "kill"):
                if self._history is not None:
                    self._history.end()
                return order
            if not order.is_backwards and not self.is_past:
                return order
            if self._history is None:
                stop = Stop("refused", stop.tid, text="this run cannot go back")
            else:
                stop = self._history.go(order, self._wanted, self._client.resumed)
            if not self.is_past and self._is_told_again(present, order):
                stop = present._replace(text=stop.text)

    def _is_told_again(self, present: Stop, order: Order) -> bool:
        """Whether the latest moment's stop is one again: a signal is still to be delivered, or not."""
        is_call = present.kind in ("call", "answer") and self._wanted.has_call(present.number)
        return present.kind == "signal" or (is_call and order.kind == "continue")

    def _obey(self, order: Order, pause: Pause) -> None:
        if order.kind == "detach":
            self._leave()
        elif order.kind == "kill":
            self._leave()
            self._machine.request_stop("killed")
        else:
            if pause.kind is PauseKind.SIGNAL and not order.deliver:
                self._pauses.ignore_signal(pause.task)
                self._is_changed = True
            changed, self._is_changed = self._is_changed, False
            if changed and self._history is not None and self._history.renew(CHANGED):
                return
            if order.kind == "step":
                tasks = self._pauses.tasks(pause.task.process)
                self._pauses.step(next((t for t in tasks if t.tid == order.tid), pause.task))
            self._client.resumed()

    def _leave(self) -> None:
        for address in [*self._breakpoints]:
            self.set_breakpoint(address, False)
        for start, end in self._watched:
            self.set_watchpoint(start, end, False)
        self.active = False
        self._pauses.calls = frozenset()
        self._pauses.watch(None)
        self._left()

    def ended(self, code: int, signal: int) -> None:
        """The program has ended."""
        if self.active:
            self._client.ended(code, signal)
            self.active = False
        if self._history is not None:
            self._history.end()
