"""Copies of a run that stand still: processes that were forked from it, and can be forked again.

Each costs the pages that the run has written since.  A copy never runs on by itself; who wants
to see what comes after it has it fork once more, and lets that one run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from uprobe_core.debugging.channel import Channel, Closed

if TYPE_CHECKING:
    from uprobe_core.pauses import Pauses, Position

__all__ = ("Copy", "Forge")


class Copy:
    """One of them, seen from the run.

    :ivar position: where it stands
    """

    def __init__(self, position: Position, channel: Channel, pid: int) -> None:
        self.position, self._channel, self._pid = position, channel, pid

    def wake(self) -> Channel:
        """Fork it: the channel to a process that stands where this one does; raises Closed."""
        ours, theirs = Channel.pair()
        self._channel.send("wake", theirs.fileno())
        theirs.close()
        return ours

    def end(self) -> None:
        """Have it gone."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


class Forge:
    """Makes copies of the process that it is in.

    :param descriptors: what the run writes to
    :param unnoticed: entered around each fork, so that the run does not take it for one of the program
    :param in_copy: called in each copy, which is nobody's session
    """

    def __init__(
        self,
        pauses: Pauses,
        descriptors: Callable[[], list[int]],
        unnoticed: Callable[[], contextlib.AbstractContextManager[None]],
        in_copy: Callable[[], None],
    ) -> None:
        self._pauses, self._descriptors = pauses, descriptors
        self._unnoticed, self._in_copy = unnoticed, in_copy
        self._is_copy = False

    def fork(self) -> tuple[Channel | None, Channel | None, int]:
        """Make a copy of this moment, which stands still until it is woken.

        Here: (None, the channel to it, its pid).  In a process that it was woken as: (the channel to
        the run, None, 0).  Raises OSError.
        """
        ours, theirs = Channel.pair()
        with self._unnoticed():
            pid = os.fork()
        if pid == 0:
            ours.close()
            return self._stand_still(Channel(theirs)), None, 0
        theirs.close()
        try:
            ours.receive()
        except Closed:
            ours.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            raise OSError("no copy of the run can be made") from None
        return None, ours, pid

    def _stand_still(self, channel: Channel) -> Channel:
        """In the copy: fork whenever that is asked for, and come back in the new process alone."""
        try:
            if not self._is_copy:
                self._is_copy = True
                self._in_copy()
            self._pauses.become_copy(self._descriptors())
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what we fork
            channel.send("ready")
            for woken in _wakings(channel):
                with self._unnoticed():
                    pid = os.fork()
                if pid == 0:
                    channel.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    self._pauses.wake_copy()
                    return Channel(woken)
                woken.close()
        except Exception:
            os._exit(1)
        os._exit(0)


def _wakings(channel: Channel) -> Iterator[socket.socket]:
    """The channel of each process that is wanted, until the run is gone."""
    with contextlib.suppress(Closed):
        while True:
            _, descriptor = channel.receive()
            if descriptor is not None:
                yield socket.socket(fileno=descriptor)
