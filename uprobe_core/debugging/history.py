"""Earlier moments of a run: it is run again, from the last copy before the moment that is wanted.

The run itself stands still meanwhile, and stays the only one that goes beyond where it has come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uprobe_core.debugging.channel import Closed
from uprobe_core.debugging.copies import Copy, Forge
from uprobe_core.debugging.orders import Order, Stop
from uprobe_core.debugging.traveller import Errand, Outcome, Passed, Traveller, TravellerHere
from uprobe_core.debugging.view import View
from uprobe_core.debugging.wanted import NOTHING, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from uprobe_core.backend import Machine
    from uprobe_core.debugging.journal import Journal
    from uprobe_core.pauses import Pauses, Position

__all__ = ("CHANGED", "EXECUTED", "History")

_INTERVAL = 20_000_000
"""Instructions between two copies, at first."""
_MOST_COPIES = 16
_MOST_NEAR = 3
_WINDOWS = (128, 2048, 1 << 15, 1 << 20, 1 << 40)
"""How many instructions before a moment its run goes one by one: more if code without branches is longer."""

CHANGED = "uprobe: the program was changed here: what came before does not lead to what came after"
EXECUTED = "uprobe: this program was executed here: what came before was another one"
_NOT_AGAIN = "the program did not come here again; was it changed here, let it make a step first"


class _Impossible(Exception):  # noqa: N818  # it is what happened
    """A moment that cannot be gone to."""


def _comes_before(one: Position, other: Position) -> bool:
    """Whether *one* is certainly an earlier moment: between instructions, threads may take turns."""
    if one.executed != other.executed or one == other:
        return one.executed < other.executed
    return not other.call or (one.tid == other.tid and (one.call, other.call) == ("made", "answered"))


class _Interrupted(Exception):  # noqa: N818  # it is what happened
    """Whoever looks wants no more of it."""


class History:
    """The past of one run.

    :param journal: the system calls that it has made
    """

    def __init__(self, machine: Machine, pauses: Pauses, forge: Forge, journal: Journal) -> None:
        self._machine, self._pauses, self._forge, self._journal = machine, pauses, forge, journal
        journal.executed = lambda: pauses.position().executed
        self._copies: list[Copy] = []
        self._near: list[Copy] = []
        self._interval = _INTERVAL
        self._traveller: Traveller | None = None
        self._busy: Traveller | None = None
        self._now: Position | None = None
        self._goes = self._is_interrupted = False
        self._begins = 0
        """Instructions executed where history begins: at the last change from outside, or exec."""
        self._why = ""
        """What is said there."""

    @property
    def view(self) -> Any:
        """The earlier moment that is looked at, None: the present is."""
        return self._traveller

    # --- copies ------------------------------------------------------------------------------------------

    def keep(self) -> bool:
        """The run pauses for a copy to be made, at its start and now and then.

        Whether we are that copy, woken later: whoever called us has the program run on.
        """
        position = self._pauses.position()
        shared = self._journal.shared_since
        self._pauses.pause_at(position.executed + self._interval)
        if shared is not None and (self._copies or self._begins):
            return False
        try:
            woken, channel, pid = self._forge.fork()
        except OSError:
            return False
        if woken is not None:
            self._travel(woken)
            return True
        if channel is not None:
            self._copies.append(Copy(position, channel, pid))
        self._thin_out()
        return False

    def renew(self, why: str) -> bool:
        """History begins here: the run was CHANGED by who looks at it, and goes on, or EXECUTED a program.

        Answers as :meth:`keep`.
        """
        self.end()
        self._why = why
        self._begins = self._pauses.position().executed
        return self.keep()

    def _travel(self, woken: Any) -> None:
        """We are a process that was woken: the callback that we are in is over when there is an errand."""
        self._copies, self._near, self._traveller = [], [], None
        TravellerHere(woken, self._machine, self._pauses, self._forge, self._journal).stand()

    def _thin_out(self) -> None:
        if len(self._copies) > _MOST_COPIES:
            for each in self._copies[1::2]:
                each.end()
            del self._copies[1::2]
            self._interval *= 2

    def stopped(self) -> bool:
        """The run stands still for somebody; answers as :meth:`keep`."""
        return not self._copies and self.keep()

    def _known(self) -> list[Copy]:
        return sorted((*self._copies, *self._near), key=lambda each: each.position.executed)

    def _before(self, executed: int, until: Position | None = None) -> Copy:
        """The last copy with at most so many instructions before it, not behind *until*; or _Impossible."""
        fitting = [
            each
            for each in self._known()
            if each.position.executed <= executed
            and (until in (None, each.position) or _comes_before(each.position, until))
        ]
        if not fitting:
            why = (
                " that can be run again from where its history begins"
                if self._begins
                else "'s start to run again"
            )
            raise _Impossible(f"there is no copy of the run{why}")
        return self._checked(fitting[-1])

    def _checked(self, copy: Copy) -> Copy:
        for executed, name in self._journal.once:
            if executed >= copy.position.executed:
                raise _Impossible(
                    f"the program has called {name} since, which would be done once more:"
                    " files that it writes, other processes and what it reads from a terminal or pipe"
                    " cannot be had back"
                )
        return copy

    # --- going -------------------------------------------------------------------------------------------

    def go(self, order: Order, wanted: Wanted, begun: Callable[[], None]) -> Stop:
        """Do what *order* says, where it is about the past, and tell where that led.

        :param begun: called once :meth:`interrupt` stops it
        """
        self._goes, self._is_interrupted = True, False
        try:
            begun()
            return self._go(order, wanted)
        finally:
            self._goes = False

    def _go(self, order: Order, wanted: Wanted) -> Stop:
        now = self._now if self._traveller is not None and self._now is not None else self._pauses.position()
        tid = order.tid or now.tid
        try:
            if not order.is_backwards:
                return self._forward(order, wanted)
            if order.kind == "reverse-step":
                found = Passed(self._step_before(now, tid), "step")
            else:
                found = self._last_hit(now, wanted)
            if found.position is None:
                return self._to_start()
            if found.position != now:
                self._go_to(found.position)
            return found.stop()
        except _Impossible as error:
            return Stop("refused", now.tid, text=f"uprobe: cannot go there: {error}")
        except _Interrupted:
            return Stop("asked", now.tid)
        except Closed:
            return self._lost()

    def _lost(self) -> Stop:
        self.to_present()
        here = self._pauses.position()
        return Stop(
            "refused", here.tid, text="uprobe: the process that ran again is gone: back at the latest moment"
        )

    def to_present(self) -> None:
        """The latest moment is looked at."""
        if self._traveller is not None:
            self._traveller.end()
        self._traveller = self._now = None

    def interrupt(self) -> bool:
        """Stop what runs again; False if nothing does.  From any thread."""
        self._is_interrupted, busy = self._goes, self._busy
        if busy is not None:
            busy.interrupt()
        return self._goes

    def _run(self, traveller: Traveller, errand: Errand) -> Outcome:
        self._busy = traveller
        if self._is_interrupted:  # before it was busy
            traveller.interrupt()
        try:
            outcome, channel = traveller.run(errand)
        finally:
            self._busy = None
        if channel is not None:
            self._near.append(Copy(outcome.trace[0], channel, outcome.copy))
            for each in self._near[:-_MOST_NEAR]:
                each.end()
            del self._near[:-_MOST_NEAR]
        if not self._journal.agrees(outcome.calls):
            traveller.end()
            raise _Impossible("the program did not do the same again: something outside of it has changed")
        return outcome

    def _errand(self, copy: Copy, errand: Errand) -> tuple[Traveller, Outcome]:
        """The same by a new process, which is the caller's."""
        traveller = Traveller(copy)
        outcome = self._run(traveller, errand)
        if outcome.kind == "asked":
            traveller.end()
            raise _Interrupted
        return traveller, outcome

    def _go_to(self, target: Position) -> None:
        for window in _WINDOWS:
            copy = self._before(max(target.executed - window, self._begins), target)
            if copy.position == target:
                traveller = Traveller(copy)
                break
            traveller, outcome = self._errand(copy, Errand(target, window))
            if outcome.kind == "reached":
                break
            traveller.end()
        else:
            raise _Impossible("the program did not come there again")
        self.to_present()
        self._traveller, self._now = traveller, target

    def _to_start(self) -> Stop:
        first = self._before(self._begins)
        self.to_present()
        if first.position != self._pauses.position():
            self._traveller, self._now = Traveller(first), first.position
        return Stop("begin", first.position.tid, text=self._why)

    def _step_before(self, now: Position, tid: int) -> Position | None:
        """Where thread *tid* was one step before *now*; None: it had made none."""
        if self._copies and now == self._copies[0].position:
            return None
        for window in _WINDOWS:
            start = max(now.executed - window, self._begins)
            errand = Errand(now, now.executed - start, collect=True, trace=True)
            traveller, outcome = self._errand(self._before(start, now), errand)
            traveller.end()
            earlier = [each for each in outcome.trace if each.tid == tid]
            if outcome.kind == "reached" and earlier:
                return earlier[-1]
            if start == self._begins:
                break
        if outcome.kind != "reached":
            raise _Impossible(_NOT_AGAIN)
        return None

    def _last_hit(self, now: Position, wanted: Wanted) -> Passed:
        """What of *wanted* was passed last before *now*."""
        if wanted == NOTHING:
            return Passed(None)
        if wanted.watched:
            self._come_near(now)
        until = now
        for copy in reversed(self._known()):
            if not _comes_before(copy.position, until):
                continue
            found = self._last_between(self._checked(copy), until, wanted)
            if found.position is not None:
                return found
            until = copy.position
        return Passed(None)

    def _come_near(self, now: Position) -> None:
        """Have a copy shortly before *now*: what is stored to often is found from there."""
        start = max(now.executed - _WINDOWS[1], self._begins)
        errand = Errand(now, now.executed - start, collect=True, trace=True)
        self._errand(self._before(start, now), errand)[0].end()

    def _last_between(self, copy: Copy, until: Position, wanted: Wanted) -> Passed:
        for window in _WINDOWS:
            traveller, outcome = self._errand(copy, Errand(until, window, wanted, collect=True))
            traveller.end()
            if outcome.kind == "reached":
                return outcome.last
        raise _Impossible(_NOT_AGAIN)

    def _forward(self, order: Order, wanted: Wanted) -> Stop:
        """From an earlier moment towards the present, and not beyond it."""
        latest, traveller = self._pauses.position(), self._traveller
        assert traveller is not None
        step = order.tid if order.kind == "step" else 0
        outcome = self._run(traveller, Errand(latest, _WINDOWS[1], wanted, step, passed=self._pauses.passed))
        self._now = outcome.position
        if outcome.kind == "missed":
            raise Closed
        if outcome.kind != "reached":
            return outcome.last._replace(position=outcome.position, kind=outcome.kind).stop(outcome.signal)
        self.to_present()
        is_hit = not latest.call and wanted.is_hit(View(self._machine, self._pauses), latest.tid, latest.pc)
        kind = "step" if step else "breakpoint" if is_hit else "end"
        return Stop(kind, latest.tid)

    def end(self) -> None:
        """No earlier moment is wanted any more; idempotent."""
        self.to_present()
        for each in (*self._copies, *self._near):
            each.end()
        self._copies, self._near = [], []
