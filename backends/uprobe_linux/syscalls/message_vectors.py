"""sendmmsg and recvmmsg: messages one after the other, each of which may be waited for (net/socket.c)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from uprobe_linux.calls import REFUSALS
from uprobe_linux.syscalls.socket_messages import UIO_MAXIOV, receive_message, send_message
from uprobe_linux.syscalls.sockets import socket_entry
from uprobe_linux.syscalls.support import pack_timespec, timespec
from uprobe_linux.syscalls.table import Block, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

MSG_DONTWAIT, MSG_WAITFORONE = 0x40, 0x10000
_MMSGHDR_SIZE, _LENGTH_AT = 64, 56


@syscall("sendmmsg")
def sys_sendmmsg(task: LinuxTask, fd: int, messages: int, count: int, flags: int) -> int:
    """sendmmsg(2)."""
    entry = socket_entry(task, fd)
    return _each(task, messages, count, lambda at, _done: send_message(task, entry, at, flags & 0xFFFF_FFFF))


@syscall("recvmmsg")
def sys_recvmmsg(task: LinuxTask, fd: int, messages: int, count: int, flags: int, timeout: int) -> int:
    """recvmmsg(2): the time is looked at between messages only, and what is left of it is told."""
    entry = socket_entry(task, fd)
    wanted = flags & 0xFFFF_FFFF & ~MSG_WAITFORONE
    others = wanted | (MSG_DONTWAIT if flags & MSG_WAITFORONE else 0)

    def receive(at: int, done: int) -> int:
        return receive_message(task, entry, at, others if done else wanted)

    return _each(task, messages, count, receive, timeout)


def _each(
    task: LinuxTask, messages: int, count: int, one: Callable[[int, int], int], timeout: int = 0
) -> int:
    """Do *one*, given its address and how many are done, for each struct mmsghdr; answers how many were done.

    What stops it shows only if it was the first.  It may sleep at each: how far it is stays in the wait.

    :param timeout: address of a struct timespec, behind which no other is begun; 0: there is none
    """
    now, wait = task.machine.clock.monotonic, task.wait
    if wait is None:
        done, end = 0, now() + timespec(task, timeout) if timeout else None
    else:
        done, end, wait.data = wait.data
    try:
        while done < min(count & 0xFFFF_FFFF, UIO_MAXIOV):
            at = messages + _MMSGHDR_SIZE * done
            task.process.memory.write_u32(at + _LENGTH_AT, one(at, done))
            done, task.wait = done + 1, None
            if end is not None and now() >= end:
                break
    except Block as block:
        in_part = block.wait.data or 0
        if in_part or done:
            block.wait.interrupted = partial(_stopped, task, at, in_part, done)
        block.wait.data = (done, end, block.wait.data)
        raise
    except REFUSALS:
        if not done:
            raise
    if end is not None and done:
        task.process.memory.write(timeout, pack_timespec(max(end - now(), 0)))
    return done


def _stopped(task: LinuxTask, at: int, in_part: int, done: int) -> int:
    """A signal came while the message at *at* was waited for, which with *in_part* of its bytes counts."""
    if in_part:
        task.process.memory.write_u32(at + _LENGTH_AT, in_part)
    return done + bool(in_part)
