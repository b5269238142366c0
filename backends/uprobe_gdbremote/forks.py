"""Processes that the program forks: probed like their parent, or let go without our breakpoints.

A stub that reports forks has stopped the child for us; one that does not, as
qemu-user's, has taken the breakpoints out itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.points import SIZE

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.points import Points
    from uprobe_gdbremote.process import RemoteProcess
    from uprobe_gdbremote.stops import Stop
    from uprobe_gdbremote.task import RemoteTask

__all__ = ("Forks",)


class Keeper(Protocol):
    """What is asked of the machine."""

    def adopt(self, parent: RemoteTask, child: bytes, *, borrows: bool) -> RemoteProcess:
        """The thread *child* is that of a process that *parent* has forked: it is probed from now on."""
        ...

    def decide_here(self, why: str) -> None:
        """Have the stub decide no filters any more."""
        ...


class Forks:
    """Takes children.

    :param follow: whether they are to be probed
    :ivar left: how many processes and programs run without probes
    """

    def __init__(self, client: Client, keeper: Keeper, *, follow: bool) -> None:
        self._client, self._keeper, self._follow = client, keeper, follow
        self.left = 0

    def take(self, task: RemoteTask, stop: Stop) -> None:
        """*task* has forked a child, or one that borrowed its memory has given it back."""
        points = task.process.points
        if "vforkdone" in stop.reasons:
            for point in points.all():
                points.insert(point)
            return
        borrows = "vfork" in stop.reasons
        child = stop.reasons["vfork" if borrows else "fork"]
        if self._follow:
            self._keep(task, child, borrows=borrows)
        else:
            self._let_go(child, points, borrows=borrows)

    def _keep(self, task: RemoteTask, child: bytes, *, borrows: bool) -> None:
        decided = set(task.process.points.conditional)
        self._keeper.decide_here("the program has forked")
        made = self._keeper.adopt(task, child, borrows=borrows)
        if not borrows:
            made.points.report(decided)

    def _let_go(self, child: bytes, points: Points, *, borrows: bool) -> None:
        self._clean(child, points)
        if borrows:  # the memory is the parent's, who waits
            for point in points.all():
                point.inserted = False
        self.left += 1
        self._client.channel.ask(b"D;" + child[1:].partition(b".")[0])

    def _clean(self, child: bytes, points: Points) -> None:
        """Take our breakpoints out of the memory of *child*."""
        self._client.select(child)
        for point in points.all():
            if point.inserted:
                try:
                    self._client.remove(point.address, SIZE)
                except StubError:
                    continue  # the stub took it out by itself
        self._client.selected = b""
