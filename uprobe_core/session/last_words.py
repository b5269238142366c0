"""The end of a process by a plugin's code that is not Python's: abort(), exit(), a wrong pointer.

The native engine asks us then, in the signal's handler: who it was is said, what was recorded is written, and
the process ends with the status of an error of ours, not with that of a program that crashed.
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
from uprobe_core.session.last_resort import LOST
from uprobe_core.session.overdue import call_under_way, report_under_way

if TYPE_CHECKING:
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("LastWords",)


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
