"""Terminals of the run's own in epoll sets: asked each time, since no descriptor of the host's is like them.

The host's set has, for an edge-triggered one, the FIFO that tells of news; its events are dropped.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.ptys.ends import PtyEnd
from uprobe_linux.syscalls.support import fail, files

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("collect", "control", "waits")

_ADD, _DELETE, _MODIFY = 1, 2, 3
_ONESHOT, _EDGE = 1 << 30, 1 << 31
_ALWAYS = 8 | 16
_EVENTS = 0xFFFF
NEWS = 0x75_7072_6F62_6521
"""What the host's set calls the FIFOs."""


@dataclass(slots=True)
class _Member:
    """One terminal of a set.

    :param seen: the news that were reported, of an edge-triggered one
    """

    end: PtyEnd
    events: int
    data: int
    seen: int = -1

    @property
    def wanted(self) -> int:
        """The events that are reported; none once a one-shot member was."""
        return self.events & _EVENTS


def control(
    task: LinuxTask, holder: Descriptor, operation: int, fd: int, event: tuple[int, int] | None
) -> None:
    """epoll_ctl on terminal *fd*."""
    members = _members(task, holder)
    if operation not in (_ADD, _DELETE, _MODIFY):
        raise fail(errno.EINVAL)
    if (fd in members) == (operation == _ADD):
        raise fail(errno.EEXIST if operation == _ADD else errno.ENOENT)
    if event is None:
        del members[fd]
        return
    end = files(task).get(fd).file
    assert isinstance(end, PtyEnd)
    members[fd] = _Member(end, event[0] | _ALWAYS, event[1])
    if event[0] & _EDGE:
        _listen(task, holder, end)


def _listen(task: LinuxTask, holder: Descriptor, end: PtyEnd) -> None:
    """Have the host's set wake whoever waits for it when there are news of *end*."""
    news = task.machine.ptys.news_of(end)
    event = hostcalls.EPOLL_EVENT.pack(_EDGE | 1, NEWS)
    try:
        hostcalls.call("epoll_ctl", holder.host, _ADD, news, event)
    except FileExistsError:
        hostcalls.call("epoll_ctl", holder.host, _MODIFY, news, event)


def _members(task: LinuxTask, holder: Descriptor) -> dict[int, _Member]:
    """Those of the set whose descriptors are still open."""
    table, members = files(task), holder.file.terminals  # type: ignore[attr-defined]
    for fd in [
        fd for fd, member in members.items() if fd not in table or table.get(fd).file is not member.end
    ]:
        del members[fd]
    known: dict[int, _Member] = members
    return known


def collect(
    task: LinuxTask, holder: Descriptor, found: list[tuple[int, int]], count: int
) -> list[tuple[int, int]]:
    """*found*, what the host's set has, with the terminals that are ready; at most *count*."""
    found = [event for event in found if event[1] != NEWS]
    for member in _members(task, holder).values():
        if len(found) >= count:
            break
        events = task.machine.ptys.polled_end(member.end) & member.wanted
        if not events or (member.events & _EDGE and member.seen == task.machine.ptys.news(member.end)):
            continue
        member.seen = task.machine.ptys.news(member.end)
        if member.events & _ONESHOT:
            member.events &= ~_EVENTS
        found.append((events, member.data))
    return found


def waits(task: LinuxTask, holder: Descriptor) -> tuple[tuple[int, int], ...]:
    """What to wait for until one that is not edge-triggered is ready."""
    fds: list[tuple[int, int]] = []
    for fd, member in _members(task, holder).items():
        if member.wanted and not member.events & _EDGE:
            fds += task.machine.ptys.to_wait(member.end, files(task).get(fd).host, member.wanted)
    return tuple(fds)
