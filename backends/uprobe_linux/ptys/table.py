"""The pseudo-terminals of a run: making, naming, opening and hanging them up.

All of it is the run's own: no terminal of the host's is opened, and none of its system calls
for terminals is made.

Facts: drivers/tty/pty.c (ptmx_open, pty_close, pty_unix98_install), tty_io.c (tty_open, __tty_hangup),
fs/devpts/inode.c.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uprobe_linux.fs import oflags
from uprobe_linux.fs.nodes import VDevice
from uprobe_linux.ptys.discipline import Discipline
from uprobe_linux.ptys.ends import HUP, NEWS, ROOM, Fifos, PtyEnd
from uprobe_linux.ptys.jobs import Jobs
from uprobe_linux.ptys.state import CAPACITY, FREE, HUNG, OPEN, STATE_BYTES, PtyState
from uprobe_linux.scheduling.turns import EVERY

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine, Process

__all__ = ("Ptys",)

SLAVE_MAJOR, TTY_GROUP = 136, 5
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP = 1, 2, 4, 8, 16
_READABLE, _WRITABLE = POLLIN | 64, POLLOUT | 256
"""With POLLRDNORM, POLLWRNORM."""
_MASTER, _CONTROLLING = os.makedev(5, 2), os.makedev(5, 0)


def _fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Ptys:
    """All of them, as this host process sees them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._folder = os.path.join(machine.sandbox.private, "ptys")
        self._fd = -1
        self._data: mmap.mmap | None = None
        self._states: list[PtyState] = []
        self._held = 0
        self.fifos = Fifos(self._folder)
        self.jobs = Jobs(self._used, machine)

    # --- the memory of all of them --------------------------------------------------------------------

    def _load(self, *, make: bool) -> bool:
        """Have the run's memory for them at hand; False if no process has made one yet."""
        if self._data is not None:
            return True
        path = os.path.join(self._folder, "state")
        if make and not os.path.exists(path):
            os.makedirs(self._folder, exist_ok=True)
            os.chmod(self._folder, 0o700)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        except FileNotFoundError:
            return False
        os.fchmod(self._fd, 0o600)
        os.ftruncate(self._fd, STATE_BYTES)
        self._data = mmap.mmap(self._fd, STATE_BYTES, mmap.MAP_SHARED)
        self._states = [PtyState(self._data, index) for index in range(CAPACITY)]
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others away; with --clock host there are no turns that do."""
        if not self._held:
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _used(self) -> list[PtyState]:
        """Those that are not free."""
        return [state for state in self._states if state.state != FREE] if self._load(make=False) else []

    @contextmanager
    def using(self, state: PtyState) -> Iterator[Discipline]:
        """Do something to *state*: whoever may wait for it is told, and the signals of it are sent."""
        self._machine.turns.take()
        self._machine.turns.touch(EVERY)
        with self._locked():
            discipline, before = Discipline(state), _levels(state)
            yield discipline
            discipline.pump()
            self.show(state)
            self._tell_news(state, before, _levels(state))
            pgrp = state.pgrp
        for signo in discipline.signals:
            self.jobs.signal_group(pgrp, signo)

    # --- what an end is ready for ------------------------------------------------------------------

    def polled(self, state: PtyState, *, master: bool) -> int:
        """The events of poll(2) that an end has now."""
        if master:
            return _master_events(state)
        if state.state != OPEN:
            return _READABLE | _WRITABLE | POLLERR | POLLHUP
        found = _READABLE if Discipline(state).available(polled=True) else 0
        return found | (_WRITABLE if state.output.room > 8 and not state.stopped else 0)

    def _tell_news(self, state: PtyState, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """Count, for each end, that it can do more than *before*, and wake who waits for just that."""
        half = len(after) // 2
        for master, side in ((True, slice(half)), (False, slice(half, None))):
            if any(now > was for now, was in zip(after[side], before[side], strict=True)):
                state.master_news += master
                state.slave_news += not master
                if state.watched:
                    self.fifos.mark(state.index, master, NEWS, False)
                    self.fifos.mark(state.index, master, NEWS, True)

    def news(self, end: PtyEnd) -> int:
        """How often *end* could do more than before."""
        state = self.state_of(end)
        return state.master_news if end.master else state.slave_news

    def news_of(self, end: PtyEnd) -> int:
        """A host descriptor that is written to from now on when there are news of *end*."""
        state = self.state_of(end)
        state.watched = 1
        return self.fifos.waited(state.index, state.generation, end.master, NEWS, False)

    def polled_end(self, end: PtyEnd) -> int:
        """The same for *end*."""
        return self.polled(self.state_of(end), master=end.master)

    def show(self, state: PtyState) -> None:
        """Have the FIFOs say what is true now."""
        bits = self._wanted_bits(state)
        for number in range(6):
            master, which = number < 3, number % 3
            now, was = bits >> number & 1, state.bits >> number & 1
            if now != was:
                self.fifos.mark(state.index, master, which, bool(now))
        state.bits = bits

    def _wanted_bits(self, state: PtyState) -> int:
        bits = 0
        for master in (True, False):
            events = self.polled(state, master=master)
            found = (
                bool(events & (POLLIN | POLLPRI | POLLHUP)),
                bool(events & POLLOUT),
                bool(events & POLLHUP),
            )
            bits |= sum(on << which for which, on in enumerate(found)) << (0 if master else 3)
        return bits

    def to_wait(self, end: PtyEnd, host: int, events: int) -> tuple[tuple[int, int], ...]:
        """The host descriptors to wait with, for poll(2)'s *events* or a hang-up of *end*."""
        state = self.state_of(end)
        whiches = [HUP] + ([ROOM] if events & _WRITABLE else [])
        shift = 0 if end.master else 3
        fds = [
            self.fifos.waited(
                state.index, state.generation, end.master, which, bool(state.bits >> shift + which & 1)
            )
            for which in whiches
        ]
        return tuple((fd, POLLIN) for fd in ([host] if events & (_READABLE | POLLPRI) else []) + fds)

    # --- opening ------------------------------------------------------------------------------------

    def state_of(self, end: PtyEnd) -> PtyState:
        """What *end* is an end of."""
        return self._states[end.number]

    def open_master(self, flags: int, path: str = "/dev/ptmx") -> tuple[PtyEnd, int]:
        """A new pseudo-terminal; ENOSPC if there are too many."""
        self._load(make=True)
        self._machine.turns.take()
        with self._locked():
            state = next((s for s in self._states if self._is_free(s)), None)
            if state is None:
                raise _fail(errno.ENOSPC)
            self.fifos.make(state.index)
            state.begin(os.getuid(), TTY_GROUP)
            opened = self._end(state, flags, path, master=True)
            self.show(state)
        return opened

    def _is_free(self, state: PtyState) -> bool:
        held = (self.fifos.is_held(state.index, master) for master in (True, False))
        return state.state == FREE or not any(held)

    def open_slave(self, state: PtyState, flags: int, path: str = "") -> tuple[PtyEnd, int]:
        """The other end; EIO while it is locked or when its master is gone, EBUSY after TIOCEXCL."""
        if state.locked or state.state != OPEN:
            raise _fail(errno.EIO)
        if state.exclusive and os.geteuid():
            raise _fail(errno.EBUSY)
        with self.using(state):
            state.slave_opened, state.slave_gone = 1, 0
            state.bits &= 0b000111  # nobody had them open
            opened = self._end(state, flags, path or f"/dev/pts/{state.index}", master=False)
        if not flags & oflags.G_NOCTTY and flags & oflags.G_ACCMODE != oflags.G_WRONLY:
            self.jobs.acquire(state)
        return opened

    def open_controlling(self, flags: int) -> tuple[PtyEnd, int]:
        """/dev/tty: ENXIO without a controlling terminal."""
        process = self._process()
        state = self.jobs.terminal_of(process) if process is not None else None
        if state is None:
            raise _fail(errno.ENXIO)
        return self.open_slave(state, flags | oflags.G_NOCTTY, "/dev/tty")

    def _process(self) -> Process | None:
        task = self._machine.current
        return None if task is None else task.process

    def _end(self, state: PtyState, flags: int, path: str, *, master: bool) -> tuple[PtyEnd, int]:
        def make() -> VDevice:
            return self._node(state, path, master=master)

        end = PtyEnd(path, (state.index, state.generation, master), flags, make, self._closed)
        host = self.fifos.open_end(state.index, master)
        end.set_flags(host, flags & oflags.G_NONBLOCK)
        return end, host

    def received(self, host: int) -> PtyEnd | None:
        """The end that a descriptor from another process stands for, if it is one."""
        if not self._load(make=False):
            return None
        found = self.fifos.number_of(host)
        if found is None:
            return None
        state, master = self._states[found[0]], found[1]
        path = "/dev/ptmx" if master else f"/dev/pts/{state.index}"
        return PtyEnd(
            path,
            (state.index, state.generation, master),
            oflags.G_RDWR,
            lambda: self._node(state, path, master=master),
            self._closed,
        )

    # --- closing ------------------------------------------------------------------------------------

    def _closed(self, end: PtyEnd) -> None:
        """A descriptor of *end* was closed: hang up if it was the last of all."""
        state = self.state_of(end)
        if state.generation == end.generation:
            self._look_after(state)

    def survey(self) -> None:
        """A process was ended by the host, with whatever ends it held."""
        for state in self._used():
            self._look_after(state)

    def _look_after(self, state: PtyState) -> None:
        master, slave = (self.fifos.is_held(state.index, master) for master in (True, False))
        if not master and state.state == OPEN:
            self.hang_up(state)
        elif not slave and state.state == OPEN and state.slave_opened and not state.slave_gone:
            with self.using(state):
                state.slave_gone = 1
        if not master and not slave:
            state.state = FREE

    def hang_up(self, state: PtyState) -> None:
        """The master is gone: the slave's readers, writers and session hear of it."""
        session, pgrp = state.session, state.pgrp
        with self.using(state):
            state.state = HUNG
            state.session = state.pgrp = 0
            state.old_session, state.old_pgrp = session, pgrp
        if session:
            self.jobs.hung_up(session)

    # --- names --------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """What /dev/pts lists."""
        return ["ptmx", *(str(state.index) for state in self._used() if state.state == OPEN)]

    def lookup(self, name: str) -> VDevice | None:
        """The node *name* of /dev/pts: of a pseudo-terminal of the run, never of the host's."""
        if name == "ptmx":
            error = errno.EACCES if os.geteuid() else 0  # its mode is 0
            return VDevice(stat.S_IFCHR, rdev=_MASTER, error=error, open=self.open_master)
        for state in self._used():
            if state.state == OPEN and str(state.index) == name:
                return self._node(state, f"/dev/pts/{name}", master=False)
        return None

    def _node(self, state: PtyState, path: str, *, master: bool) -> VDevice:
        if master:
            return VDevice(stat.S_IFCHR | 0o666, path, rdev=_MASTER, open=self.open_master)
        if path == "/dev/tty":
            return VDevice(stat.S_IFCHR | 0o666, path, rdev=_CONTROLLING, open=self.open_controlling)

        def change(mode: int, uid: int, gid: int) -> None:
            state.mode, state.uid, state.gid = mode & 0o7777, uid, gid

        node = VDevice(
            stat.S_IFCHR | state.mode,
            path,
            rdev=os.makedev(SLAVE_MAJOR, state.index),
            open=lambda flags: self.open_slave(state, flags),
            change=change,
        )
        node.uid, node.gid, node.ino = state.uid, state.gid, state.index + 3
        return node

    def close(self) -> None:
        """Give descriptors and memory back; idempotent."""
        self.fifos.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _master_events(state: PtyState) -> int:
    found = _READABLE if state.output else 0
    if state.packet and state.status:
        found |= _READABLE | POLLPRI
    if state.slave_gone:
        found |= POLLHUP
    return found | (_WRITABLE if state.pending.room else 0)


def _levels(state: PtyState) -> tuple[int, ...]:
    """How much there is to read, to be told and to write, first of the master, then of the slave."""
    return (
        len(state.output),
        state.status,
        state.slave_gone,
        int(state.pending.room > 0),
        len(state.input),
        state.canon,
        int(state.state == HUNG),
        int(state.output.room > 8 and not state.stopped),
    )
