"""What is known of one pseudo-terminal, in memory that all host processes of the run share."""

from __future__ import annotations

import mmap

from uprobe_linux.ptys.termios import SPEED_BYTES, STANDARD, TERMIOS_BYTES, WINSIZE_BYTES, Termios, speeds

__all__ = ("CAPACITY", "FREE", "HUNG", "OPEN", "STATE_BYTES", "PtyState", "Queue")

CAPACITY = 64
"""Pseudo-terminals of a run at a time; a further one is ENOSPC."""
FREE, OPEN, HUNG = range(3)
"""HUNG: the master is gone, the slave has still somebody who holds it."""
INPUT_BYTES = 4096
_FLIP_BYTES = 16384
"""What a kernel keeps of what was written and not yet looked at, about (tty_buffer.c)."""
_HEADER, _MODES, _SIZE = 1024, 512, 512 + TERMIOS_BYTES
_SPEEDS = _SIZE + WINSIZE_BYTES
_LOCKED = _SPEEDS + SPEED_BYTES
_SLOT = _HEADER + 3 * INPUT_BYTES + _FLIP_BYTES + INPUT_BYTES + _FLIP_BYTES
STATE_BYTES = CAPACITY * _SLOT


class _Word:
    """One signed 64-bit word, as an attribute."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __get__(self, state: PtyState, owner: type) -> int:
        return state.words[self.index]

    def __set__(self, state: PtyState, value: int) -> None:
        state.words[self.index] = value


class _Bytes:
    """A structure of the guest's, as an attribute."""

    def __init__(self, start: int, size: int) -> None:
        self._range = slice(start, start + size)

    def __get__(self, state: PtyState, owner: type) -> bytes:
        return bytes(state.slot[self._range])

    def __set__(self, state: PtyState, raw: bytes) -> None:
        state.slot[self._range] = raw


class Queue:
    """Bytes that wait, the first first.

    :param view: where they lie
    :param word: of the state: how many there are
    """

    def __init__(self, state: PtyState, view: memoryview, word: int) -> None:
        self._words = state.words
        self._word = word
        self.view = view

    def __len__(self) -> int:
        return self._words[self._word]

    @property
    def room(self) -> int:
        """Bytes that fit."""
        return len(self.view) - len(self)

    def put(self, data: bytes | memoryview) -> int:
        """Add what fits of *data*; how much that was."""
        count, held = min(len(data), self.room), len(self)
        self.view[held : held + count] = data[:count]
        self._words[self._word] = held + count
        return count

    def get(self, count: int) -> bytes:
        """Take the first *count* bytes, which there are."""
        held, data = len(self), bytes(self.view[:count])
        self.view[: held - count] = bytes(self.view[count:held])
        self._words[self._word] = held - count
        return data

    def cut(self, count: int) -> None:
        """Keep the first *count* alone."""
        self._words[self._word] = count


class PtyState:
    """Slot *index* of the run's memory for pseudo-terminals.

    :param data: STATE_BYTES, shared
    """

    state, locked, packet, status, session, pgrp = (_Word(n) for n in range(6))
    stopped, output_off, slave_gone, exclusive = (_Word(n) for n in range(6, 10))
    """Stopped by ^S; by TCOOFF; the last slave was closed; TIOCEXCL."""
    uid, gid, mode, generation, bits, watched = (_Word(n) for n in range(10, 16))
    """Of the name; how often the slot was used; what the FIFOs show; somebody wants to hear of news."""
    canon, column, canon_column, literal, erasing = (_Word(n) for n in range(16, 21))
    """Input bytes of whole lines; where the cursor is, and was at the line's start; ^V; ECHOPRT."""
    old_session, old_pgrp, slave_opened, master_news, slave_news = (_Word(n) for n in range(21, 26))
    """Whose terminal it was when it was hung up, and the group to tell when that session's leader ends; a
    slave was open once; how often each end could do more than before.
    """
    _COUNTS = 26
    modes, size = _Bytes(_MODES, TERMIOS_BYTES), _Bytes(_SIZE, WINSIZE_BYTES)
    speeds = _Bytes(_SPEEDS, SPEED_BYTES)
    kept_modes = _Bytes(_LOCKED, TERMIOS_BYTES)
    """struct termios, struct winsize; the rest of struct termios2; what of the modes cannot be changed."""

    def __init__(self, data: mmap.mmap, index: int) -> None:
        self.index = index
        slot = memoryview(data)[index * _SLOT : (index + 1) * _SLOT]
        self.slot = slot
        self.words = slot[:_MODES].cast("q")
        sizes = (INPUT_BYTES, INPUT_BYTES, INPUT_BYTES, _FLIP_BYTES, INPUT_BYTES + _FLIP_BYTES)
        at, queues = _HEADER, []
        for number, size in enumerate(sizes):
            queues.append(Queue(self, slot[at : at + size], self._COUNTS + number))
            at += size
        self.input, self.ends, self.echoes, self.pending, self.output = queues
        """For the slave's readers, with a 1 in *ends* where a line ends; echoes that cannot be shown yet;
        what the master wrote and input has no room for; for the master's readers.
        """

    def begin(self, uid: int, gid: int) -> None:
        """A new pseudo-terminal, whose name belongs to *uid* and *gid*."""
        generation = self.generation + 1
        for word in range(len(self.words)):
            self.words[word] = 0
        self.state, self.locked, self.generation = OPEN, 1, generation
        self.uid, self.gid, self.mode = uid, gid, 0o620
        self.modes = STANDARD
        self.size = bytes(WINSIZE_BYTES)
        self.kept_modes = bytes(TERMIOS_BYTES)
        self.speeds = speeds(self.termios.cflag, bytes(SPEED_BYTES))

    @property
    def termios(self) -> Termios:
        """The modes, taken apart."""
        return Termios(self.modes)
