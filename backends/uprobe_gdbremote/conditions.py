"""Filters that the stub decides: breakpoints with conditions, and how many hits they have passed over.

A stub does not tell how often a condition was false.  So each condition counts its own evaluations in a
trace state variable, and how many evaluations a hit makes that nobody is told of (two, of gdbserver: one at
the trap, one to decide whether to step over it) is found out with code of our own before the first is used.
That holds for one thread: when a second begins, or where evaluations are not what they are to be, every hit
is reported again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uprobe_core.errors import BackendError
from uprobe_core.types import Verdict
from uprobe_gdbremote.bytecode import Inexpressible, compile_conditions
from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.exclusives import LOOK, length, words_of
from uprobe_gdbremote.points import SIZE, Point
from uprobe_gdbremote.registers import PC, SP

if TYPE_CHECKING:
    from uprobe_core.event_model import Condition
    from uprobe_core.types import Analysis
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.process import RemoteProcess
    from uprobe_gdbremote.registers import RegisterNames, ThreadRegisters

__all__ = ("NEEDED", "RemoteConditions")

NEEDED = ("ConditionalBreakpoints", "TraceStateVariables", "QThreadEvents")
"""What a stub has to have."""
_FIRST = 0x100
"""The number of our first trace state variable; gdbserver has some of its own."""
_NOP = (0xD503201F).to_bytes(SIZE, "little")
_ALWAYS: Condition = ()


class Target(Protocol):
    """What is asked of the machine."""

    @property
    def registers(self) -> ThreadRegisters:
        """Those of the thread that stopped last."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether nothing can be asked now."""
        ...

    def run_alone(self) -> bool:
        """Let the current thread, and no other, run until it stops; whether that was a trap."""
        ...


@dataclass(eq=False, slots=True)
class _Place:
    """A place with a condition.

    :param counter: number of the variable that counts evaluations
    :param passed: told of hits that were not reported
    :param told: how many evaluations *passed* knows of, or were reported
    """

    point: Point
    counter: int
    passed: Callable[[int], None]
    told: int = 0


class RemoteConditions:
    """The conditions of one process; see :class:`uprobe_core.backend.Conditions`.

    :param analyze: the core's, of an instruction and its address
    """

    def __init__(
        self,
        client: Client,
        process: RemoteProcess,
        names: RegisterNames,
        target: Target,
        analyze: Callable[[bytes, int], Analysis],
    ) -> None:
        self._client, self._process, self._target, self._analyze = client, process, target, analyze
        self._points = process.points
        self._numbers = {index: register.number for index, register in enumerate(names.general)}
        self._places: dict[int, _Place] = {}
        self._counters = 0
        self._per_hit: int | None = None
        """Evaluations of a hit that is passed over; None: not known yet."""
        self._why = ""
        """Why there are to be none any more."""
        self._points.leaving = self._leaves

    # --- the contract ---------------------------------------------------------------------------------

    def decide(
        self, process: object, address: int, conditions: Sequence[Condition], passed: Callable[[int], None]
    ) -> str:
        """See :class:`uprobe_core.backend.Conditions`."""
        if process is not self._process:
            return "it is a forked process" if conditions else ""
        point = self._points.get(address)
        if point is None:
            return "there is no breakpoint"
        self._leaves(point)
        if not conditions:
            return ""
        why = self._why or self._unfit(address)
        if why:
            return why
        try:
            self._place(point, conditions, passed)
        except Inexpressible as error:
            return f"of its filter, {error}"
        except StubError as error:
            self._points.condition(point, b"")
            self._why = f"the stub takes no conditions: {error}"
            return self._why
        return ""

    def settle(self) -> None:
        """See :class:`uprobe_core.backend.Conditions`."""
        if self._places and not self._target.is_running:
            for place in self._places.values():
                self._count(place)

    # --- one place ------------------------------------------------------------------------------------

    def _unfit(self, address: int) -> str:
        """Why there can be no condition at *address*.

        A stub that has stepped over one place does not take another one, where it is then, to be hit.
        """
        code = self._process.read(address, SIZE * LOOK)
        if length(words_of(code)):
            return "it is a load-exclusive, which the stub would step alone"
        analysis = self._analyze(code[:SIZE], address)
        if analysis.verdict is not Verdict.STEP or analysis.special:
            return "the stub would step over it to a place that is not known"
        if {address - SIZE, address + SIZE} & self._places.keys():
            return "the stub decides for the place beside it"
        if self._per_hit is None:
            self._why = self._begin()
        return self._why

    def _place(self, point: Point, conditions: Sequence[Condition], passed: Callable[[int], None]) -> None:
        counter = self._new_counter()
        expression = compile_conditions(conditions, counter, self._numbers, SP)
        self._places[point.address] = _Place(point, counter, passed)
        point.reports = 0
        self._client.channel.counts = True
        self._points.condition(point, _more(expression))

    def _new_counter(self) -> int:
        number = _FIRST + self._counters
        self._counters += 1
        self._client.do(b"QTDV:%x:0:0:%b" % (number, f"uprobe{number}".encode().hex().encode()))
        return number

    def _evaluations(self, counter: int) -> int:
        answer = self._client.ask(b"qTV:%x" % counter)
        return int(answer[1:], 16) if answer[:1] == b"V" else 0

    def _count(self, place: _Place) -> None:
        """Tell of the hits at *place* that were passed over."""
        silent = self._evaluations(place.counter) - place.point.reports
        new, place.told = silent - place.told, silent
        if self._per_hit is None or new % self._per_hit or new < 0:
            raise BackendError(
                f"the stub's count of hits at {place.point.address:#x} does not add up:"
                f" {silent} evaluations beside {place.point.reports} hits that it told of",
                hint="--target ...,filters=here has every hit reported",
            )
        if new:
            place.passed(new // self._per_hit)

    def _leaves(self, point: Point) -> None:
        """*point* is to report every hit from now on, or is about to go."""
        place = self._places.pop(point.address, None)
        if place is not None:
            self._count(place)
            self._points.condition(point, b"")

    def begin_again(self) -> None:
        """Another program was executed: count what was, and forget its places."""
        self.settle()
        self._places.clear()

    def stop(self, why: str) -> None:
        """Have every hit reported from now on, because of *why*."""
        self._why = self._why or why
        for place in list(self._places.values()):
            self._leaves(place.point)
        if self._per_hit is not None:
            self._client.knows(b"QThreadEvents:0")
            self._per_hit = None

    # --- what the stub does ---------------------------------------------------------------------------

    def _begin(self) -> str:
        """Find out how the stub evaluates; returns why it cannot be used."""
        if len(list(self._client.threads())) != 1:
            return "the program has threads"
        if not self._client.knows(b"QThreadEvents:1"):
            return "the stub does not tell of new threads"
        try:
            for asked in (b"QTinit", b"QTStart", b"QTStop"):  # else gdbserver shows no variables
                self._client.do(asked)
            false, true = self._try_out(holds=False), self._try_out(holds=True)
        except (StubError, Inexpressible) as error:
            return f"the stub evaluates no conditions: {error}"
        if true != (1, True) or false[0] < 1 or false[1]:
            return "the stub does not evaluate conditions as gdbserver does"
        self._per_hit = false[0]
        return ""

    def _try_out(self, *, holds: bool) -> tuple[int, bool]:
        """Run over a breakpoint whose condition *holds* or not.

        Returns how often it was evaluated, and whether the program stopped there.
        """
        area, start = self._process.areas.anywhere(3 * SIZE, self._process.mappings())
        area.write(start, 3 * _NOP)
        counter = self._new_counter()
        expression = compile_conditions([_ALWAYS] if holds else (), counter, self._numbers, SP)
        registers = self._target.registers
        saved, tried, end = registers.save(), start + SIZE, start + 2 * SIZE
        self._client.insert(tried, SIZE, more=_more(expression))
        self._client.insert(end, SIZE)
        try:
            registers.set(PC, start)
            while not self._target.run_alone():
                continue
            stopped = registers.get(PC) == tried
            found = self._evaluations(counter)
        finally:
            for address in (tried, end):
                self._client.remove(address, SIZE)
            registers.restore(saved)
        return found, stopped


def _more(expression: bytes) -> bytes:
    """What follows a breakpoint's address and kind."""
    return b";X%x,%b" % (len(expression), expression.hex().encode())
