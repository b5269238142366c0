"""Ctrl-C and SIGTERM end a run; what was collected is still written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from uprobe_core.backend import Machine

__all__ = ("interrupts_stop",)

_REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated"}


@contextmanager
def interrupts_stop(machine: Machine) -> Iterator[None]:
    """While it is entered, SIGINT and SIGTERM ask *machine* to stop instead of ending Python.

    Outside the main thread, where Python cannot take signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        machine.request_stop(_REASONS[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in _REASONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
