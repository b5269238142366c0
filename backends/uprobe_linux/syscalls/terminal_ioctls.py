"""ioctl(2) of the pseudo-terminals of the run.

Facts: drivers/tty/tty_io.c (tty_ioctl), tty_ioctl.c (n_tty_ioctl_helper, set_termios), tty_jobctrl.c
(tty_jobctrl_ioctl), pty.c (pty_unix98_ioctl, pty_resize), n_tty.c (n_tty_ioctl).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.fs import oflags
from uprobe_linux.ptys.discipline import FLUSHWRITE, Discipline
from uprobe_linux.ptys.ends import PtyEnd
from uprobe_linux.ptys.state import OPEN
from uprobe_linux.ptys.termios import (
    CLOCAL,
    CREAD,
    CS8,
    CSIZE,
    PARENB,
    SPEED_BYTES,
    TERMIO_BYTES,
    TERMIOS_BYTES,
    VSTART,
    VSTOP,
    WINSIZE_BYTES,
    Termios,
    speeds,
)
from uprobe_linux.signals.numbers import Sig
from uprobe_linux.syscalls.support import fail, files, identity
from uprobe_linux.syscalls.table import s32
from uprobe_linux.syscalls.terminals import check_background

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask
    from uprobe_linux.ptys.state import PtyState

__all__ = ("terminal_ioctl",)

_TIOCSPGRP = 0x5410
_CAP_SYS_ADMIN = 21
_TERMIOS2_BYTES = TERMIOS_BYTES + SPEED_BYTES
_SIGNALS = (Sig.INT, Sig.QUIT, Sig.TSTP)
Answer = Callable[["LinuxTask", "PtyState", PtyEnd, int], int]


def terminal_ioctl(task: LinuxTask, entry: Descriptor, request: int, argument: int) -> int:
    """What *request* asks of a master or a slave; ENOTTY for what neither knows."""
    end = entry.file
    assert isinstance(end, PtyEnd)
    state = task.machine.ptys.state_of(end)
    if not end.master and state.state != OPEN:
        raise fail(errno.ENOTTY if request == _TIOCSPGRP else errno.EIO)
    handler = _BOTH.get(request) or (_MASTER.get(request) if end.master else None)
    if handler is None:
        raise fail(errno.ENOTTY)
    return handler(task, state, end, argument)


def _store_int(task: LinuxTask, address: int, value: int) -> int:
    task.process.memory.write_u32(address, value & 0xFFFF_FFFF)
    return 0


def _int_at(task: LinuxTask, address: int) -> int:
    return s32(task.process.memory.read_u32(address))


def _is_mine(task: LinuxTask, state: PtyState) -> bool:
    """Whether it is the caller's controlling terminal."""
    mine = task.machine.ptys.jobs.terminal_of(task.process)
    return mine is not None and mine.index == state.index


def _check(task: LinuxTask, state: PtyState, end: PtyEnd) -> None:
    """A change of the terminal from the background is stopped; a master has no background."""
    if not end.master:
        check_background(task, state, Sig.TTOU)


# --- modes, size, amounts -----------------------------------------------------------------------------


def _get_modes(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    task.process.memory.write(argument, state.modes)
    return 0


def _get_modes_and_speeds(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    task.process.memory.write(argument, state.modes + state.speeds)
    return 0


def _get_old_modes(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    task.process.memory.write(argument, state.termios.pack_old())
    return 0


def _set_modes(*, flush: bool, size: int = TERMIOS_BYTES) -> Answer:
    """Of struct termios, or by its *size* of struct termios2 or termio."""

    def handler(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
        check_background(task, state, Sig.TTOU)
        raw = task.process.memory.read(argument, size)
        if size == TERMIO_BYTES:
            new = state.termios
            new.set_old(raw)
        else:
            new = Termios(raw[:TERMIOS_BYTES])
        given = raw[TERMIOS_BYTES:] or state.speeds
        new.keep(state.modes, state.kept_modes)
        new.cflag = new.cflag & ~(CSIZE | PARENB) | CS8 | CREAD
        with task.machine.ptys.using(state) as discipline:
            if flush:
                _forget(state, end, 0)
            discipline.set_modes(new)
            state.speeds = speeds(new.cflag, given)
        return 0

    return handler


def _get_kept(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    task.process.memory.write(argument, state.kept_modes)
    return 0


def _set_kept(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    if not identity(task).can(_CAP_SYS_ADMIN):
        raise fail(errno.EPERM)
    state.kept_modes = task.process.memory.read(argument, TERMIOS_BYTES)
    return 0


def _get_size(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    task.process.memory.write(argument, state.size)
    return 0


def _set_size(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    size = task.process.memory.read(argument, WINSIZE_BYTES)
    if size != state.size:
        with task.machine.ptys.using(state) as discipline:
            state.size = size
            discipline.signals.append(Sig.WINCH)
    return 0


def _input(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    with task.machine.ptys.using(state) as discipline:
        count = len(state.output) if end.master else discipline.amount
    return _store_int(task, argument, count)


def _has_no_carrier(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    return _store_int(task, argument, int(bool(state.termios.cflag & CLOCAL)))


def _store_zero(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """What waits to be sent, which is never anything; the line discipline, which is N_TTY."""
    return _store_int(task, argument, 0)


def _drain(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """TCSBRK: what was written has arrived; breaks have nowhere to go."""
    _check(task, state, end)
    return 0


def _forget(state: PtyState, end: PtyEnd, which: int) -> None:
    """0: what *end* has not read, 1: what it has written and nobody was shown, 2: both."""
    discipline = Discipline(state)
    if which in (0, 2):
        if end.master:
            state.output.cut(0)
        else:
            discipline.flush_input()
    if which in (1, 2):
        if end.master:
            state.pending.cut(0)
        else:
            discipline.tell(FLUSHWRITE)


def _flush(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    _check(task, state, end)
    if argument > 2:
        raise fail(errno.EINVAL)
    with task.machine.ptys.using(state):
        _forget(state, end, argument)
    return 0


def _flow(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """TCXONC: 0, 1: hold output back, let it go on; 2, 3: send the other side ^S, ^Q."""
    _check(task, state, end)
    if argument > 3:
        raise fail(errno.EINVAL)
    with task.machine.ptys.using(state) as discipline:
        if argument >= 2:
            byte = discipline.termios.cc[VSTOP if argument == 2 else VSTART]
            if byte and not end.master:
                state.output.put(bytes((byte,)))
            elif byte:
                discipline.feed(bytes((byte,)))
        elif not end.master and argument == 0 and not state.output_off:
            state.output_off = 1
            discipline.stop()
        elif not end.master and argument == 1 and state.output_off:
            state.output_off = 0
            discipline.start()
    return 0


# --- sessions and groups --------------------------------------------------------------------------------


def _get_group(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    if not end.master and not _is_mine(task, state):
        raise fail(errno.ENOTTY)
    return _store_int(task, argument, state.pgrp)


def _set_group(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    try:
        check_background(task, state, Sig.TTOU)
    except OSError:
        raise fail(errno.ENOTTY) from None
    group = _int_at(task, argument)
    if group < 0:
        raise fail(errno.EINVAL)
    mine = task.machine.family.entry(task.process)
    if not _is_mine(task, state) or state.session != mine.sid:
        raise fail(errno.ENOTTY)
    members = task.machine.family.pids.group(group)
    if not members and task.machine.family.pids.get(group) is None:
        raise fail(errno.ESRCH)
    if not members or members[0].sid != mine.sid:
        raise fail(errno.EPERM)
    state.pgrp = group
    return 0


def _get_session(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    if (not end.master and not _is_mine(task, state)) or not state.session:
        raise fail(errno.ENOTTY)
    return _store_int(task, argument, state.session)


def _take(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """TIOCSCTTY; 1 takes it away from another session, which root may."""
    mine, jobs = task.machine.family.entry(task.process), task.machine.ptys.jobs
    leads = mine.sid == mine.pid
    if leads and state.session == mine.sid:
        return 0
    if not leads or jobs.terminal_of(task.process) is not None:
        raise fail(errno.EPERM)
    if state.session and (argument != 1 or os.geteuid()):
        raise fail(errno.EPERM)
    if end.access == oflags.G_WRONLY and os.geteuid():
        raise fail(errno.EPERM)
    jobs.take(state, task.process)
    return 0


def _give_up(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    if not _is_mine(task, state):
        raise fail(errno.ENOTTY)
    task.machine.ptys.jobs.leave(task.process)
    return 0


def _type(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """TIOCSTI: as if the byte had been typed; into the run's own terminals only."""
    if not _is_mine(task, state) and os.geteuid():
        raise fail(errno.EPERM)
    byte = task.process.memory.read(argument, 1)
    with task.machine.ptys.using(state) as discipline:
        if end.master:
            state.output.put(byte)
        else:
            discipline.receive(byte)
    return 0


# --- what only one side knows ------------------------------------------------------------------------


def _number(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    return _store_int(task, argument, state.index)


def _lock(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    state.locked = int(bool(_int_at(task, argument)))
    return 0


def _get_lock(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    return _store_int(task, argument, state.locked)


def _packet(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    on = int(bool(_int_at(task, argument)))
    with task.machine.ptys.using(state):
        if on and not state.packet:
            state.status = 0
        state.packet = on
    return 0


def _get_packet(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    return _store_int(task, argument, state.packet)


def _signal(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    if argument & 0xFFFF_FFFF not in _SIGNALS:
        raise fail(errno.EINVAL)
    task.machine.ptys.jobs.signal_group(state.pgrp, s32(argument))
    return 0


def _peer(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    """TIOCGPTPEER: a slave without its name being looked for."""
    if not end.master:
        raise fail(errno.EIO)
    if argument & 0xFFFF_FFFF & ~(oflags.G_ACCMODE | oflags.G_NOCTTY | oflags.G_NONBLOCK | oflags.G_CLOEXEC):
        raise fail(errno.EINVAL)
    files(task).room_for_one()
    file, host = task.machine.ptys.open_slave(state, s32(argument))
    return files(task).install(file, host, cloexec=bool(argument & oflags.G_CLOEXEC))


def _exclusive(on: int) -> Answer:
    def handler(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
        state.exclusive = on
        return 0

    return handler


def _is_exclusive(task: LinuxTask, state: PtyState, end: PtyEnd, argument: int) -> int:
    return _store_int(task, argument, state.exclusive)


_BOTH: dict[int, Answer] = {
    0x5401: _get_modes,  # TCGETS
    0x5402: _set_modes(flush=False),  # TCSETS
    0x5403: _set_modes(flush=False),  # TCSETSW
    0x5404: _set_modes(flush=True),  # TCSETSF
    0x802C542A: _get_modes_and_speeds,  # TCGETS2
    0x402C542B: _set_modes(flush=False, size=_TERMIOS2_BYTES),  # TCSETS2
    0x402C542C: _set_modes(flush=False, size=_TERMIOS2_BYTES),  # TCSETSW2
    0x402C542D: _set_modes(flush=True, size=_TERMIOS2_BYTES),  # TCSETSF2
    0x5405: _get_old_modes,  # TCGETA
    0x5406: _set_modes(flush=False, size=TERMIO_BYTES),  # TCSETA
    0x5407: _set_modes(flush=False, size=TERMIO_BYTES),  # TCSETAW
    0x5408: _set_modes(flush=True, size=TERMIO_BYTES),  # TCSETAF
    0x5409: _drain,  # TCSBRK
    0x5425: _drain,  # TCSBRKP
    0x540A: _flow,  # TCXONC
    0x540B: _flush,  # TCFLSH
    0x540C: _exclusive(1),  # TIOCEXCL
    0x540D: _exclusive(0),  # TIOCNXCL
    0x540E: _take,  # TIOCSCTTY
    0x540F: _get_group,  # TIOCGPGRP
    _TIOCSPGRP: _set_group,
    0x5411: _store_zero,  # TIOCOUTQ
    0x5412: _type,  # TIOCSTI
    0x5413: _get_size,  # TIOCGWINSZ
    0x5414: _set_size,  # TIOCSWINSZ
    0x5419: _has_no_carrier,  # TIOCGSOFTCAR
    0x541B: _input,  # FIONREAD
    0x5422: _give_up,  # TIOCNOTTY
    0x5424: _store_zero,  # TIOCGETD
    0x5429: _get_session,  # TIOCGSID
    0x5456: _get_kept,  # TIOCGLCKTRMIOS
    0x5457: _set_kept,  # TIOCSLCKTRMIOS
    0x5441: _peer,  # TIOCGPTPEER
    0x80045440: _is_exclusive,  # TIOCGEXCL
}
_MASTER: dict[int, Answer] = {
    0x5420: _packet,  # TIOCPKT
    0x80045438: _get_packet,  # TIOCGPKT
    0x80045430: _number,  # TIOCGPTN
    0x40045431: _lock,  # TIOCSPTLCK
    0x80045439: _get_lock,  # TIOCGPTLCK
    0x40045436: _signal,  # TIOCSIG
}
