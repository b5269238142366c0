"""The thread that gets the emulator to stop when something outside of it happens.

While guest code runs, this host process is inside the emulator: Python's signal
handlers do not run and nobody looks at the doorbell.  So one small thread polls
both and asks the CPU to come back: the CPU's own, or, if it has none, one in
Python, since the emulator lets go of the interpreter lock.  It asks again every
few milliseconds until it is answered, since a request that meets the emulator
on its way in is lost.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine

__all__ = ("Watcher",)

RETRY_SECONDS = 0.002
TICK_SECONDS = 0.5
"""Guest code that nothing disturbs is stopped as often, so that what it left behind can be seen."""


class Watcher:
    """Polls the doorbell and Python's signal wake-up descriptor; start it where guest code will run."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._answered = threading.Event()
        self._signals: tuple[int, int] | None = None
        self._previous_fd = -1
        self._stop_pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, and let Python's signals wake it if this is Python's main thread."""
        self._stop_pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        if threading.current_thread() is threading.main_thread():
            self._signals = _numbers_of_signals()
            self._previous_fd = signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        quiet = (self._machine.family.bell.fileno(),)
        if not self._machine.cpu.watch(self._stop_pipe[0], quiet, self.descriptors(), self._deadly()):
            self._thread = threading.Thread(target=self._watch, name="uprobe-watcher", daemon=True)
            self._thread.start()

    def _deadly(self) -> int:
        """In a forked host process: what is readable when the first one is gone, however it ended."""
        family = self._machine.family
        return 0 if os.getpid() == family.root_host_pid else family.root_pidfd

    def descriptors(self) -> tuple[int, ...]:
        """What an idle machine must poll as well, so that Python's signal handlers get to run."""
        return (self._signals[0],) if self._signals else ()

    def answer(self) -> None:
        """What woke us has been looked at: watch again."""
        if self._signals is not None:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._signals[0], 512):
                    pass
        self._answered.set()

    def after_fork(self) -> None:
        """In a new host process, which has no thread yet and never gives Python's signals back."""
        if self._signals is not None:
            signal.set_wakeup_fd(-1)
        self._close_pipes()
        self._answered = threading.Event()
        self.start()

    def stop(self) -> None:
        """End the thread and give everything back; idempotent."""
        if self._stop_pipe is None:
            return
        os.write(self._stop_pipe[1], b"\0")
        self._answered.set()
        self._machine.cpu.unwatch()
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        if self._signals is not None:
            signal.set_wakeup_fd(self._previous_fd)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for fd in (*(self._signals or ()), *(self._stop_pipe or ())):
            os.close(fd)
        self._signals = self._stop_pipe = None

    def _watch(self) -> None:
        assert self._stop_pipe is not None
        poller = select.poll()
        deadly = self._deadly()
        for fd in (self._stop_pipe[0], self._machine.family.bell.fileno(), *self.descriptors(), deadly):
            if fd:
                poller.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll(1000 * TICK_SECONDS)}
            if not ready:
                self._machine.cpu.request_stop()
                continue
            if deadly in ready:
                os.kill(os.getpid(), signal.SIGKILL)
            if self._stop_pipe[0] in ready:
                return
            self._machine.family.rung()
            # A signal of the host's is a request to end; guest code may then stop at any place.
            final = any(fd in ready and _asks_for_end(fd) for fd in self.descriptors())
            self._machine.cpu.request_stop(final=final)
            # As long as a descriptor stays readable nobody has looked, and we come back and ask again.
            self._answered.wait(RETRY_SECONDS)
            self._answered.clear()


def _numbers_of_signals() -> tuple[int, int]:
    """Ends to read and to write, by which Python tells the numbers of signals; they can be peeked at."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    return reader.detach(), writer.detach()


def _asks_for_end(fd: int) -> bool:
    """Whether the signals that came ask for the end of the run.

    SIGALRM does not: it is about a consumer that is running, and the program goes on.
    """
    end = socket.socket(fileno=os.dup(fd))
    with end, contextlib.suppress(BlockingIOError):
        return any(number != signal.SIGALRM for number in end.recv(512, socket.MSG_PEEK))
    return False
