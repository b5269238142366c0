"""Threads of an emulator on this machine whose stub stops none but the one that hit something.

Each thread of qemu-user that stops reads the connection by itself, tells of its
stop or keeps silent, and makes itself the one whose registers are shown
(gdb_handlesig in QEMU's gdbstub).  So all others are held by ptrace(2) while one
is spoken to.  A stop of which nobody took notice happens again when its thread
goes on, for it is still at its breakpoint: all that a client has to do is to let
such threads go on.
"""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress

from uprobe_core.errors import BackendError

__all__ = ("Crowd",)

_DETACH, _SEIZE, _INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000
_EVENT_STOP = 128
"""<linux/ptrace.h>, <linux/wait.h>"""


def _ptrace(request: int, thread: int, data: int = 0) -> bool:
    function = ctypes.CDLL(None).ptrace
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    return bool(function(request, thread, None, data) == 0)


class Crowd:
    """The threads of process *pid*, an emulator that has begun no thread of the program's yet."""

    def __init__(self, pid: int) -> None:
        self._pid, self._folder = pid, f"/proc/{pid}/task"
        self._helpers = set(self._all()) - {pid}
        self._known = self._helpers | {pid}
        self._alone = self._count()
        self._speaker = 0
        self.held: dict[int, int] = {}
        """Threads that are held, and the signal that each gets when it is let go."""

    def _all(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._folder)]
        except OSError:
            return []

    def _count(self) -> int:
        """Two more than the threads of the emulator: the links of the folder."""
        try:
            return os.stat(self._folder).st_nlink
        except OSError:
            return 0

    @property
    def size(self) -> int:
        """How many threads the program has, 0 if it is one."""
        more = self._count() - self._alone
        return more + 1 if more > 0 else 0

    def hold(self, speaker: int) -> bool:
        """Stop all threads but *speaker*; raises BackendError where that is not allowed.

        Returns whether some are new.
        """
        self._speaker = speaker
        while self._hold_those_seen():
            continue  # one of them may have made another meanwhile
        threads = set(self._all())
        more = not self._known.issuperset(threads)
        self._known = threads
        return more

    def _hold_those_seen(self) -> bool:
        """Whether there was somebody to hold."""
        asked = []
        for thread in self._all():
            if thread == self._speaker or thread in self._helpers or thread in self.held:
                continue
            if _ptrace(_SEIZE, thread):
                _ptrace(_INTERRUPT, thread)
                asked.append(thread)
            elif os.path.exists(f"{self._folder}/{thread}"):
                self.let_go()
                raise BackendError(
                    f"thread {thread} of the emulator cannot be stopped",
                    hint="qemu-user's stub does not stop other threads, and ptrace(2) is not allowed here",
                    slug="target-threads",
                )
        for thread in asked:
            self._wait(thread)
        return bool(asked)

    def _wait(self, thread: int) -> None:
        try:
            _, status = os.waitpid(thread, _WALL)
        except ChildProcessError:
            return  # it is gone
        if os.WIFSTOPPED(status):
            self.held[thread] = 0 if status >> 16 == _EVENT_STOP else os.WSTOPSIG(status)

    def let_go(self) -> None:
        """Let all run that are held."""
        for thread, signal in self.held.items():
            _ptrace(_DETACH, thread, signal)
        self.held.clear()

    def bury(self) -> None:
        """The emulator was killed: who held a thread has to take note of its end."""
        for thread in self.held.keys() - {self._pid}:
            with suppress(OSError):
                os.waitpid(thread, _WALL)
        self.held.clear()

    def loosen(self) -> None:
        """Let all run for a moment: the one that is spoken to may wait for a lock of theirs."""
        self.let_go()
        time.sleep(0.001)
        self.hold(self._speaker)

    def pass_on(self, signal: int) -> None:
        """Have the program get *signal* once more: the thread that told of it was not listened to."""
        with suppress(OSError):  # it is gone
            os.kill(self._pid, signal)
