"""The end of a run that nothing in Python can end any more: a consumer hangs in C code.

Signals reach Python when the running thread comes back to it.  If it does not, a thread of the native
engine's, which needs no Python, ends the process; what was written until then stays.
"""

from __future__ import annotations

import os
import signal
from types import ModuleType

__all__ = ("LastResort",)

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
