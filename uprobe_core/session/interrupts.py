"""Ctrl-C, SIGTERM and a closed terminal end a run; what was collected is still written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from uprobe_core.backend import Machine

__all__ = ("interrupts_stop",)

_REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated", signal.SIGHUP: "hangup"}


@contextmanager
def interrupts_stop(machine: Machine) -> Iterator[None]:
    """While it is entered, SIGINT, SIGTERM and SIGHUP ask *machine* to stop instead of ending Python.

    A SIGHUP that is ignored stays so: nohup(1) means it.

    Outside the main thread, where Python cannot take signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        machine.request_stop(_REASONS[signal.Signals(number)])

    taken = dict(_REASONS)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        del taken[signal.SIGHUP]
    before = {number: signal.signal(number, stop) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
