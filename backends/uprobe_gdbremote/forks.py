"""Processes that the program forks: they run on by themselves, without our breakpoints in their memory.

A stub that reports forks has stopped the child for us; one that does not, as
qemu-user's, has taken the breakpoints out itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.points import SIZE

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.points import Points
    from uprobe_gdbremote.stops import Stop

__all__ = ("Forks",)


class Forks:
    """Lets children go; *points* are those of the process that is probed.

    :ivar left: how many children went
    """

    def __init__(self, client: Client, points: Points) -> None:
        self._client, self._points = client, points
        self.left = 0

    def take(self, stop: Stop) -> None:
        """A child was forked, or one that borrowed the memory has given it back."""
        if "vforkdone" in stop.reasons:
            for point in self._points.all():
                self._points.insert(point)
            return
        self.left += 1
        child = stop.reasons.get("fork") or stop.reasons["vfork"]
        self._clean(child)
        if "vfork" in stop.reasons:  # the memory is the parent's, who waits
            for point in self._points.all():
                point.inserted = False
        self._client.channel.ask(b"D;" + child[1:].partition(b".")[0])

    def _clean(self, child: bytes) -> None:
        """Take our breakpoints out of the memory of *child*."""
        self._client.select(child)
        for point in self._points.all():
            if point.inserted:
                try:
                    self._client.remove(point.address, SIZE)
                except StubError:
                    continue  # the stub took it out by itself
        self._client.selected = b""
