"""Reading and writing the pseudo-terminals of the run (drivers/tty/n_tty.c: n_tty_read, n_tty_write)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.fs import oflags
from uprobe_linux.ptys.ends import PtyEnd
from uprobe_linux.ptys.state import OPEN
from uprobe_linux.ptys.termios import TOSTOP, VMIN, VTIME
from uprobe_linux.signals.numbers import Sig, bit
from uprobe_linux.signals.table import SIG_IGN
from uprobe_linux.syscalls.support import fail
from uprobe_linux.syscalls.table import Block

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.ptys.discipline import Discipline
    from uprobe_linux.ptys.state import PtyState

__all__ = ("check_background", "read_terminal", "write_terminal")

AT_ONCE = 4095
"""Bytes that one read of a master gets at most: what the kernel's buffer holds."""
TENTH_NS = 100_000_000
POLLIN, POLLOUT = 1, 4
LOOK_NS = 1_000_000
"""How often a read that waits for more than poll tells of looks again."""
PACKET_DATA = b"\0"


def check_background(task: LinuxTask, state: PtyState, signo: Sig) -> None:
    """A process of the background wants its terminal: it is sent *signo*, unless it is the foreground's."""
    entry = task.machine.family.entry(task.process)
    mine = task.machine.ptys.jobs.terminal_of(task.process)
    if mine is None or mine.index != state.index or not state.pgrp or state.pgrp == entry.pgid:
        return
    is_kept = task.process.signals.action(signo).handler == SIG_IGN or task.signals.blocked & bit(signo)
    if is_kept and signo != Sig.TTIN:
        return
    if is_kept or task.machine.family.is_orphaned(task.process):
        raise fail(errno.EIO)
    task.machine.ptys.jobs.signal_group(entry.pgid, signo)
    raise Block(Wait(deadline=task.machine.clock.monotonic()))  # again, once the signal was taken


# --- reading --------------------------------------------------------------------------------------------


def read_terminal(task: LinuxTask, entry: Descriptor, views: list[memoryview]) -> int:
    """Read into *views*; blocks until there is something."""
    end = entry.file
    assert isinstance(end, PtyEnd)
    if end.access == oflags.G_WRONLY:
        raise fail(errno.EBADF)
    room = sum(map(len, views))
    state = task.machine.ptys.state_of(end)
    if not end.master and state.state != OPEN:
        if task.wait is not None:  # it was hung up while this read waited
            raise fail(errno.EIO)
        return 0
    if not end.master:
        check_background(task, state, Sig.TTIN)
    if not room:
        return 0
    data = _from_slave(task, entry, state, room) if end.master else _from_master(task, entry, state, room)
    at = 0
    for view in views:
        piece = data[at : at + len(view)]
        view[: len(piece)] = piece
        at += len(piece)
    return len(data)


def _wait(task: LinuxTask, entry: Descriptor, events: int, **how: object) -> Block:
    end = entry.file
    assert isinstance(end, PtyEnd)
    fds = task.machine.ptys.to_wait(end, entry.host, events)
    return Block(Wait(fds=fds, **how))  # type: ignore[arg-type]


def _from_slave(task: LinuxTask, entry: Descriptor, state: PtyState, room: int) -> bytes:
    """What the master reads: in packet mode a byte of news first."""
    if not (state.packet and state.status) and not state.output:
        if state.slave_gone:
            raise fail(errno.EIO)
        if entry.file.nonblocking(entry.host):
            raise fail(errno.EAGAIN)
        raise _wait(task, entry, POLLIN)
    discipline: Discipline
    with task.machine.ptys.using(state) as discipline:
        if state.packet and state.status:
            news, state.status = state.status, 0
            return bytes((news,))
        mark = PACKET_DATA if state.packet else b""
        count = min(room - len(mark), AT_ONCE, len(state.output))
        data = mark + state.output.get(count)
        discipline.show_echoes()
    return data


def _from_master(task: LinuxTask, entry: Descriptor, state: PtyState, room: int) -> bytes:
    """What the slave reads: a line, or as many bytes as MIN and TIME say."""
    discipline: Discipline
    with task.machine.ptys.using(state) as discipline:
        if _is_enough(task, discipline, room):
            return discipline.read(room)
        if not entry.file.nonblocking(entry.host):
            raise _wait_for_input(task, entry, discipline, room)
        data = discipline.read(room) if discipline.available() else b""
        if not data:
            raise fail(errno.EAGAIN)
        return data


def _is_enough(task: LinuxTask, discipline: Discipline, room: int) -> bool:
    termios, there = discipline.termios, len(discipline.state.input)
    if termios.canonical:
        return discipline.available()
    least, tenths = termios.cc[VMIN], termios.cc[VTIME]
    timed_out = task.wait is not None and _is_over(task, there)
    if not least:
        return bool(there) or not tenths or timed_out
    return there >= min(least, room) or (bool(there and tenths) and timed_out)


def _is_over(task: LinuxTask, there: int) -> bool:
    """Whether the time that the read was to take has passed, with no byte more since it began to count."""
    begun = task.wait.data if task.wait is not None else None
    return isinstance(begun, tuple) and begun[0] == there and task.machine.clock.monotonic() >= begun[1]


def _wait_for_input(task: LinuxTask, entry: Descriptor, discipline: Discipline, room: int) -> Block:
    termios, there = discipline.termios, len(discipline.state.input)
    now = task.machine.clock.monotonic()
    least, tenths = termios.cc[VMIN], termios.cc[VTIME]
    if termios.canonical or (not there and not tenths and room >= least):
        return _wait(task, entry, POLLIN)
    begun = task.wait.data if task.wait is not None else None
    if not isinstance(begun, tuple) or begun[0] != there:
        begun = there, now + tenths * TENTH_NS

    if tenths and (there or not least):
        deadline = begun[1] if not there else min(begun[1], now + LOOK_NS)
        events = 0 if there else POLLIN
        return _wait(task, entry, events, deadline=deadline, data=begun)
    if tenths:
        return _wait(task, entry, POLLIN, data=begun)
    return _wait(task, entry, 0, deadline=now + LOOK_NS, data=begun)


# --- writing --------------------------------------------------------------------------------------------


def write_terminal(task: LinuxTask, entry: Descriptor, views: list[memoryview], done: int) -> int:
    """Write *views*, after *done* bytes that this call has written before; blocks until all is gone."""
    end = entry.file
    assert isinstance(end, PtyEnd)
    if end.access == oflags.G_RDONLY:
        raise fail(errno.EBADF)
    state = task.machine.ptys.state_of(end)
    if not end.master:
        if state.state != OPEN:
            if done:
                return done
            raise fail(errno.EIO)
        if state.termios.lflag & TOSTOP and not done:
            check_background(task, state, Sig.TTOU)
    data = b"".join(views)
    with task.machine.ptys.using(state) as discipline:
        count = discipline.feed(data) if end.master else discipline.write(data)
    done += count
    if count == len(data):
        return done
    if entry.file.nonblocking(entry.host):
        if done:
            return done
        raise fail(errno.EAGAIN)
    raise _wait(task, entry, POLLOUT, data=done, interrupted=done or None)
