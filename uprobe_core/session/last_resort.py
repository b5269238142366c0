"""The end of a run by what is not Python's: a plugin's C code that hangs, crashes, aborts or exits.

Signals reach Python when the running thread comes back to it.  If it does not, a thread of the native
engine's, which needs no Python, ends the process; what was written until then stays.  If that code is about
to end the process, the native engine asks us, in the signal's handler: who it was is said, what was recorded
is written, and the process ends with the status of an error of ours, not with that of a program that crashed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, ModuleType
from typing import TYPE_CHECKING

from uprobe_core.discovery.staying import visitor
from uprobe_core.session.overdue import call_under_way, report_under_way

if TYPE_CHECKING:
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("LastResort", "LastWords")

SECONDS = 5.0
"""How long after everything else the process is ended."""
TIME_IS_OVER, LOST = 124, 125
_NEVER = 1e9
_TEXT = (
    "uprobe: error: a consumer hangs in code that is not Python's: the run ends without it;"
    " what was not written by now is lost\n"
)


class LastResort:
    """The last resort of this process; does nothing without the native engine."""

    def __init__(self) -> None:
        self._engine: ModuleType | None = None
        self._owner = 0
        self._status = LOST

    def begin(self, limit: float | None) -> None:
        """From now on.

        :param limit: seconds in which the run is over whatever happens, None: any time
        """
        try:
            from uprobe_core.native import _engine
        except ImportError:
            return
        self._engine, self._owner = _engine, os.getpid()
        self._status = LOST if limit is None else TIME_IS_OVER
        _engine.end_in(_NEVER if limit is None else limit + SECONDS, self._status, _TEXT)
        for number, times in ((signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2)):
            _engine.end_after(number, times, SECONDS, LOST)

    def put_off(self) -> None:
        """Python runs: the end is not needed yet.  A forked process has none: it goes with the first."""
        if self._engine is not None and self._owner == os.getpid():
            self._engine.end_in(SECONDS, self._status, _TEXT)

    def end(self) -> None:
        """The run is over."""
        if self._engine is not None:
            self._engine.end_never()
        self._engine = None


class LastWords:
    """Does nothing without the native engine."""

    def __init__(self, events: EventSet) -> None:
        self._events = events
        self._keep: Callable[[], None] = lambda: None
        self._engine: ModuleType | None = None

    def begin(self, keep: Callable[[], None]) -> None:
        """From now on, in this thread.

        :param keep: writes what was recorded until now
        """
        try:
            from uprobe_core.native import _engine
        except ImportError:
            return
        self._engine, self._keep = _engine, keep
        _engine.last_words(self._say)

    def end(self) -> None:
        """Not any more; idempotent."""
        if self._engine is not None:
            self._engine.last_words(None)
        self._engine = None

    def _say(self, number: int) -> None:
        who = self._who(sys._getframe(1))
        if who is None:
            return
        what = f"{signal.Signals(number).name} in code that is not Python's" if number else "it called exit()"
        text = f"uprobe: error: {who} ended the process: {what}; what was recorded until then is kept\n"
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))
        with suppress(Exception):
            self._keep()
        os._exit(LOST)

    def _who(self, frame: FrameType | None) -> str | None:
        call = call_under_way(self._events, frame) or report_under_way(frame)
        return visitor(frame) if call is None else call.name
