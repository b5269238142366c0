"""``--interval``: how far a run is and what its consumers have found so far, while it runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from uprobe_core.backend import ExitStatus
from uprobe_core.discovery.contracts import asked
from uprobe_core.session.report import ConsumerReports
from uprobe_core.session.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uprobe_core.backend import Machine
    from uprobe_core.run_setup import ConsumerUse
    from uprobe_core.tracing.findings import Findings

__all__ = ("Watching",)

T = TypeVar("T")

_STEPS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


class _Live(Protocol):
    """What of LiveChanges is used here."""

    def do(self, function: Callable[[], T]) -> T:
        """Call *function* at a safe point."""
        ...


class Watching:
    """A thread that has the running one show, from time to time, what there is.

    Everything is asked for and written at safe points of the program, in its thread.

    :param interval: seconds between two tables
    :param consumers: whose reports are shown: those that may be asked more than once
    :param screen: where to
    """

    def __init__(
        self,
        interval: float,
        consumers: Sequence[tuple[ConsumerUse, Any]],
        findings: Findings,
        screen: Screen,
    ) -> None:
        self._interval, self._consumers, self._findings = interval, consumers, findings
        self.screen = screen
        self._ended = threading.Event()
        self._pid, self._thread = os.getpid(), 0
        self._machine: Machine | None = None
        self._start = 0.0

    def begin(self, machine: Machine, live: _Live) -> None:
        """The program is about to run."""
        self._machine, self._start = machine, time.monotonic()
        threading.Thread(target=self._wait, args=(live,), name="watching", daemon=True).start()

    def _wait(self, live: _Live) -> None:
        self._thread = threading.get_ident()
        while not self._ended.wait(self._interval):
            live.do(self._show)

    def _show(self) -> None:
        """In the program's thread; a forked process has none of this, nor has a run that is over."""
        if self._ended.is_set() or os.getpid() != self._pid or threading.get_ident() == self._thread:
            return
        if self._findings.sync is not None:
            self._findings.sync()
        self.screen.table([f"--- {self._line()}", *self._tables()])

    def _line(self) -> str:
        """``12.0 s, 3.21 G instructions, 456 hits``."""
        assert self._machine is not None
        executed = self._machine.statistics().get("instructions", 0)
        hits = sum(total.tallies["hits"] for total in self._findings.totals())
        return f"{time.monotonic() - self._start:.1f} s, {_short(executed)} instructions, {hits} hits"

    def _tables(self) -> list[str]:
        often = [each for each in self._consumers if asked(each[1], "reports_often", False, each[0].name)]
        return list(ConsumerReports(often).lines(self.screen.columns))

    def in_child(self) -> None:
        """This is a forked process now: the first one shows what there is."""
        self._ended = threading.Event()
        self._ended.set()

    def finish(self, _status: ExitStatus | None) -> None:
        """The run is over: what is shown of it goes, and what it has found comes."""
        self._ended.set()
        self.screen.clear()

    def close(self) -> None:
        """Give everything back."""
        self._ended.set()
        self.screen.close()


def _short(number: int) -> str:
    for size, unit in _STEPS:
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)
