"""The processes of one machine, in memory that all its host processes share.

A guest process is (mostly) a host process, so what one must know of another
stands here: identity, family, state, how it ended, and a mailbox for signals.
Ids are the guest's own and deterministic: 1000 first, then counted up.

Facts: kernel/pid.c (ids, wrap), kernel/exit.c (zombies, reparenting),
kernel/sys.c (setpgid, setsid).
"""

from __future__ import annotations

import enum
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from uprobe_linux.shared.memory import SharedMemory

__all__ = ("FIRST_PID", "INIT_PID", "TABLE_BYTES", "Mail", "PidTable", "ProcessEntry", "State", "host_exists")

FIRST_PID, INIT_PID, _MAX_PID = 1000, 1, 4_194_304
CAPACITY = 1024
_HEADER_WORDS, _SLOT_WORDS = 8, 512
_MAIL_AT, _MAIL_WORDS = 64, 8
_MAIL_COUNT = (_SLOT_WORDS - _MAIL_AT) // _MAIL_WORDS
TABLE_BYTES = 8 * (_HEADER_WORDS + CAPACITY * _SLOT_WORDS)
_LOCK = 0
_NEXT_ID, _USED, _ROOT_HOST, _TRUNCATIONS, _LOST, _CLOSED = range(6)


class State(enum.IntEnum):
    """What /proc/PID/stat shows in letters; FREE is a slot that nobody has."""

    FREE = 0
    RUNNING = 1
    SLEEPING = 2
    STOPPED = 3
    ZOMBIE = 4

    @property
    def letter(self) -> str:
        """R, S, T or Z."""
        return "?RSTZ"[self]


class _Field:
    """One signed 64-bit word of a process's slot, as an attribute."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, entry: ProcessEntry, owner: type) -> int:
        return entry._words[entry._base + self._index]

    def __set__(self, entry: ProcessEntry, value: int) -> None:
        entry._words[entry._base + self._index] = value


class ProcessEntry:
    """One process.  Reading a word needs no lock; what must not tear is done by PidTable under its lock."""

    pid = _Field(0)
    host_pid = _Field(1)
    ppid = _Field(2)
    pgid = _Field(3)
    sid = _Field(4)
    state = _Field(5)
    wait_status = _Field(6)
    """As wait4 gives it; valid for a zombie."""
    exit_signal = _Field(7)
    """What the parent gets when it ends; 0: nothing (clone)."""
    uid = _Field(8)
    news = _Field(9)
    """What waitpid has not yet seen: 0 nothing, a signal number: stopped by it, -1: continued."""
    clock = _Field(10)
    """Guest clock in ns at its end."""
    user_ns = _Field(11)
    nice = _Field(12)
    start_ns = _Field(13)
    threads = _Field(14)
    reaper = _Field(15)
    """1 after prctl(PR_SET_CHILD_SUBREAPER)."""
    executed = _Field(16)
    """1 after the first execve since its fork (setpgid by the parent then fails with EACCES)."""
    death_signal = _Field(17)
    """prctl(PR_SET_PDEATHSIG)."""
    parent_tid = _Field(18)
    children_ns = _Field(19)
    """CPU time of the children that were waited for."""
    mail_head = _Field(20)
    mail_tail = _Field(21)
    overflow = _Field(22)
    """Set of signals (bit N-1) that came when the mailbox was full; as unsigned modulo 2**64."""
    session_kept = _Field(23)
    """1 while it belongs to the first process's session: its end is waited for before the run ends."""
    _COMM_AT = 24
    _COMM_BYTES = 16
    untold = _Field(26)
    """1 while its parent's mailbox has not yet got what a wait can see already."""
    vforked = _Field(27)
    """1 if its parent, in another host process, sleeps until it executes something (no CLONE_VM)."""

    def __init__(self, words: memoryview, base: int) -> None:
        self._words = words
        self._base = base

    @property
    def comm(self) -> str:
        """Name of its main thread."""
        first, second = self._words[self._base + self._COMM_AT : self._base + self._COMM_AT + 2]
        return struct.pack("<qq", first, second).split(b"\0")[0].decode(errors="surrogateescape")

    @comm.setter
    def comm(self, name: str) -> None:
        data = name.encode(errors="surrogateescape")[:15].ljust(self._COMM_BYTES, b"\0")
        first, second = struct.unpack("<qq", data)
        self._words[self._base + self._COMM_AT] = first
        self._words[self._base + self._COMM_AT + 1] = second

    @property
    def alive(self) -> bool:
        """Neither free nor a zombie."""
        return self.state in (State.RUNNING, State.SLEEPING, State.STOPPED)


@dataclass(frozen=True, slots=True)
class Mail:
    """A signal for another process; signal 0: it has to look at its children and shared futexes.

    :param tid: the thread it is for, 0 for the process
    :param clock: the sender's guest time in ns
    :param payload: the siginfo union, at most 32 bytes
    :param moment: when it was sent (:mod:`uprobe_linux.scheduling.turns`)
    """

    signo: int
    code: int
    tid: int
    clock: int
    payload: bytes
    moment: int = 0


_MAIL = struct.Struct("<iiqq32sq")


class PidTable:
    """All processes of a machine.

    :param shared: at least TABLE_BYTES bytes, shared by all host processes
    :param limit: processes alive at once; a fork beyond it fails with EAGAIN
    """

    def __init__(self, shared: SharedMemory, limit: int | None = None) -> None:
        self._shared = shared
        self._words = memoryview(shared.data)[:TABLE_BYTES].cast("q")
        self._limit = min(limit or 256, CAPACITY - 1)
        self._words[_NEXT_ID] = FIRST_PID
        self._words[_ROOT_HOST] = os.getpid()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other host processes from changing the table; not recursive."""
        with self._shared.locked(_LOCK):
            yield

    def new_id(self) -> int:
        """A process or thread id that no process has."""
        with self.locked():
            return self._next_id()

    def _next_id(self) -> int:
        taken = {entry.pid for entry in self} if self._words[_NEXT_ID] >= _MAX_PID else set()
        candidate = self._words[_NEXT_ID]
        while candidate in taken or candidate >= _MAX_PID:
            candidate = candidate + 1 if candidate < _MAX_PID else 300
        self._words[_NEXT_ID] = candidate + 1
        return candidate

    def __iter__(self) -> Iterator[ProcessEntry]:
        for index in range(self._words[_USED]):
            entry = self._entry(index)
            if entry.state != State.FREE:
                yield entry

    def _entry(self, index: int) -> ProcessEntry:
        return ProcessEntry(self._words, _HEADER_WORDS + index * _SLOT_WORDS)

    def get(self, pid: int) -> ProcessEntry | None:
        """The process *pid* (zombies too), or None."""
        return next((entry for entry in self if entry.pid == pid), None)

    def add(self, parent: ProcessEntry | None, *, uid: int, clock: int) -> ProcessEntry:
        """A new process, RUNNING in this host process; OSError(EAGAIN) when there are too many."""
        if self._words[_CLOSED]:  # without the lock, which a fork bomb fights for
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        with self.locked():
            if sum(1 for entry in self if entry.alive) >= self._limit:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            entry = self._free_slot()
            entry.pid = self._next_id()
            entry.host_pid = os.getpid()
            entry.uid, entry.start_ns, entry.threads = uid, clock, 1
            self._inherit(entry, parent)
            entry.state = State.RUNNING
            return entry

    @staticmethod
    def _inherit(entry: ProcessEntry, parent: ProcessEntry | None) -> None:
        if parent is None:
            entry.ppid, entry.pgid, entry.sid = INIT_PID, entry.pid, INIT_PID
            entry.session_kept = 1
            return
        entry.ppid, entry.pgid, entry.sid = parent.pid, parent.pgid, parent.sid
        entry.nice, entry.session_kept, entry.comm = parent.nice, parent.session_kept, parent.comm

    def _free_slot(self) -> ProcessEntry:
        used = self._words[_USED]
        index = next((i for i in range(used) if self._entry(i).state == State.FREE), used)
        if index >= CAPACITY:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._words[_USED] = max(used, index + 1)
        entry = self._entry(index)
        for word in range(entry._base, entry._base + _MAIL_AT):
            self._words[word] = 0
        return entry

    def free(self, entry: ProcessEntry) -> None:
        """Forget a process that was waited for."""
        entry.state = State.FREE

    @property
    def truncations(self) -> int:
        """How often a process of this machine has made a file shorter."""
        return self._words[_TRUNCATIONS]

    def count_truncation(self) -> None:
        """A file has become shorter: whoever has it mapped must look at its size again."""
        with self.locked():
            self._words[_TRUNCATIONS] += 1

    def close_for_new(self) -> None:
        """The run ends: nobody is added any more, or there would be somebody left each time one looks."""
        self._words[_CLOSED] = 1

    @property
    def lost(self) -> int:
        """How many host processes of this machine were ended by somebody else, without a word."""
        return self._words[_LOST]

    def count_lost(self) -> None:
        """One more."""
        with self.locked():
            self._words[_LOST] += 1

    def children(self, pid: int) -> list[ProcessEntry]:
        """The children of *pid*, zombies too, oldest slot first."""
        return [entry for entry in self if entry.ppid == pid]

    def group(self, pgid: int) -> list[ProcessEntry]:
        """The processes of group *pgid*, zombies too."""
        return [entry for entry in self if entry.pgid == pgid]

    def reaper_of(self, entry: ProcessEntry) -> int:
        """Who adopts the children of *entry*: the nearest living ancestor that is a subreaper, else 1."""
        seen = set()
        ancestor = self.get(entry.ppid)
        while ancestor is not None and ancestor.pid not in seen:
            if ancestor.reaper and ancestor.alive:
                return ancestor.pid
            seen.add(ancestor.pid)
            ancestor = self.get(ancestor.ppid)
        return INIT_PID

    def post(self, entry: ProcessEntry, mail: Mail) -> None:
        """Put *mail* into the mailbox of *entry*; the caller rings afterwards.

        When the mailbox is full only the signal's number is kept, as a kernel out of memory does.
        """
        with self.locked():
            head, tail = entry.mail_head, entry.mail_tail
            if head - tail >= _MAIL_COUNT:
                if mail.signo:
                    entry.overflow = _signed(entry.overflow | 1 << (mail.signo - 1))
                return
            self._shared.data[self._mail_at(entry, head)] = _MAIL.pack(
                mail.signo, mail.code, mail.tid, mail.clock, mail.payload[:32], mail.moment
            )
            entry.mail_head = head + 1

    def _mail_at(self, entry: ProcessEntry, number: int) -> slice:
        start = 8 * (entry._base + _MAIL_AT + number % _MAIL_COUNT * _MAIL_WORDS)
        return slice(start, start + _MAIL.size)

    def take_mail(self, entry: ProcessEntry, before: int | None = None) -> list[Mail]:
        """Take the mail of *entry* that was sent before moment *before*, None: all; oldest first."""
        if entry.mail_head == entry.mail_tail and not entry.overflow:
            return []
        with self.locked():
            numbers = range(entry.mail_tail, entry.mail_head)
            mails = [self._unpack(self._shared.data[self._mail_at(entry, n)]) for n in numbers]
            if before is not None:
                mails = list(takewhile(lambda mail: mail.moment < before, mails))
            entry.mail_tail += len(mails)
            if entry.mail_tail < entry.mail_head:
                return mails
            lost, entry.overflow = entry.overflow, 0
        mails += [Mail(n + 1, 0, 0, 0, b"") for n in range(64) if lost >> n & 1]
        return mails

    @staticmethod
    def _unpack(data: bytes) -> Mail:
        return Mail(*_MAIL.unpack(data))

    def close(self) -> None:
        """Let go of the shared memory; idempotent."""
        self._words.release()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 & 1 and value > 0 else value


def host_exists(host_pid: int) -> bool:
    """Whether there is a process of the host with that number, whoever's it is."""
    try:
        os.kill(host_pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
