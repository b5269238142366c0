"""Ctrl-C, SIGTERM, a closed terminal and the time limit end a run, also one that hangs in a consumer.

The machine is asked to stop, which it does when its guest code is next looked
at; what was collected is written then.  If it is a consumer that keeps it from
there, the second Ctrl-C, and for the other ends one second, stops the consumer.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from uprobe_core.backend import Machine
from uprobe_core.session.last_resort import LastResort
from uprobe_core.session.overdue import (
    Call,
    call_under_way,
    report_under_way,
    stop_call,
    waiting_for_reader,
)

if TYPE_CHECKING:
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Interrupts",)

_REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated", signal.SIGHUP: "hangup"}
_WHY = {"interrupt": "Ctrl-C came twice", "terminated": "SIGTERM came", "hangup": "the terminal was closed"}
GRACE_SECONDS = 1.0
"""How long a consumer may go on after the run was to end."""
_AGAIN_SECONDS = 0.5
READER_SECONDS = 5.0
"""How long a reader of the output may take for anything then."""


class Interrupts:
    """What ends a run of *machine* before its program does.

    Outside the main thread, where Python cannot take signals, it does nothing.

    :param timeout: seconds after which the machine ends the run by itself, None for no limit
    :param patience: seconds that one call of a consumer may take, None for any time
    """

    def __init__(
        self, machine: Machine, events: EventSet, timeout: float | None, patience: float | None
    ) -> None:
        self._machine, self._events = machine, events
        self._timeout, self._patience = timeout, patience
        self._reason = ""
        self._overdue: Call | None = None
        self._others_alarm: Any = None
        self._armed = False
        self._watch_ended = threading.Event()
        self._resort = LastResort()
        self._writing: FrameType | None = None
        self._looks = 0

    @property
    def reason(self) -> str:
        """Why the run is to end, "" as long as nobody has asked."""
        return self._reason

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While it is entered, signals ask the machine to stop instead of ending Python."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with ExitStack() as undo:
            for number in _REASONS:
                # A SIGHUP that is ignored stays so: nohup(1) means it.
                if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    undo.callback(signal.signal, number, signal.signal(number, self._stop))
            self._others_alarm = signal.signal(signal.SIGALRM, self._alarm)
            undo.callback(signal.signal, signal.SIGALRM, self._others_alarm)
            undo.callback(signal.setitimer, signal.ITIMER_REAL, *signal.getitimer(signal.ITIMER_REAL))
            undo.callback(self._watch_ended.set)
            undo.callback(self._resort.end)
            self._resort.begin(None if self._timeout is None else self._timeout + GRACE_SECONDS)
            self.begin()
            yield

    def begin(self) -> None:
        """Start the clocks; also in a forked process, which inherits none."""
        self._watch_ended.set()
        if self._timeout is not None:
            self._force_after(self._timeout + GRACE_SECONDS)
        if self._patience is not None:
            self._watch_ended = threading.Event()
            arguments = (self._patience, threading.get_ident(), self._watch_ended)
            threading.Thread(target=self._watch, args=arguments, name="uprobe-patience", daemon=True).start()

    def _force_after(self, seconds: float) -> None:
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """A signal that ends the run; the second Ctrl-C does not wait for a consumer."""
        again, self._reason = bool(self._reason), self._reason or _REASONS[signal.Signals(number)]
        self._machine.request_stop(self._reason)
        if number != signal.SIGINT:
            self._force_after(GRACE_SECONDS)
        elif again:
            self._force_after(0.001)
        elif (call := call_under_way(self._events, frame)) is not None:
            _say(f"uprobe: waiting for {call.name}; Ctrl-C once more stops it")

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        """The grace is over, or one call has taken too long, or the alarm is somebody else's."""
        call, self._overdue = self._overdue, None
        if call is None and self._armed:
            self._force(frame)
        elif call is None:
            if callable(self._others_alarm):
                self._others_alarm(number, frame)
        elif _is_in(call, frame) and not _is_ours(frame):
            stop_call(call, frame, f"it took more than {self._patience:g} s (--handler-timeout)")

    def _force(self, frame: FrameType | None) -> None:
        """The run was to end: whoever keeps it from that is stopped.  Comes again every half second."""
        self._resort.put_off()
        call = call_under_way(self._events, frame) or report_under_way(frame)
        if call is not None:
            stop_call(call, frame, _WHY.get(self._reason, "the time of the run was over"))
        writing = waiting_for_reader(frame)
        self._looks = self._looks + 1 if writing is not None and writing is self._writing else 0
        self._writing = writing
        if self._looks * _AGAIN_SECONDS >= READER_SECONDS:
            raise TimeoutError(errno.ETIMEDOUT, "nobody reads it")

    def _watch(self, patience: float, thread: int, ended: threading.Event) -> None:
        """In a thread: look at what the running thread does, and ring when it is one call for too long."""
        seen: Call | None = None
        looks, interval = 0, patience / 4
        while not ended.wait(interval):
            call = call_under_way(self._events, sys._current_frames().get(thread))
            same = call is not None and seen is not None and call.frame is seen.frame
            looks, seen = (looks + 1 if same else 0), call
            if looks >= 4:
                self._overdue, looks = seen, 3
                signal.pthread_kill(thread, signal.SIGALRM)


def _is_in(call: Call, frame: FrameType | None) -> bool:
    """Whether *frame* is still in *call*."""
    while frame is not None and frame is not call.frame:
        frame = frame.f_back
    return frame is not None


def _is_ours(frame: FrameType | None) -> bool:
    """Whether a consumer has called us: we come back, or it is the reader of the output who hangs."""
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("uprobe_core.")


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
