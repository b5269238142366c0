"""The line discipline of a pseudo-terminal: from what its master writes to what its slave reads.

Facts: drivers/tty/n_tty.c (n_tty_receive_buf_common, n_tty_receive_char_special, eraser, isig,
n_tty_set_termios, canon_copy_from_read_buf), pty.c (packet mode).
"""

from __future__ import annotations

from uprobe_linux.ptys.erasing import Erasing
from uprobe_linux.ptys.state import INPUT_BYTES, PtyState
from uprobe_linux.ptys.termios import (
    ECHO,
    ECHOCTL,
    ECHONL,
    EXTPROC,
    ICANON,
    ICRNL,
    IEXTEN,
    IGNCR,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IXANY,
    IXON,
    NOFLSH,
    PARMRK,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VMIN,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VTIME,
    VWERASE,
    Termios,
)

__all__ = ("Discipline",)

FLUSHREAD, FLUSHWRITE, STOP, START, NOSTOP, DOSTOP, IOCTL = 1, 2, 4, 8, 16, 32, 64
"""What packet mode tells the master (TIOCPKT_...)."""
_SIGNALS = ((VINTR, 2), (VQUIT, 3), (VSUSP, 20))


class Discipline(Erasing):
    """*state* at work; :attr:`signals` are for its foreground group, once its holder lets go of it."""

    def __init__(self, state: PtyState) -> None:
        super().__init__(state)
        self.signals: list[int] = []

    # --- from the master ----------------------------------------------------------------------------

    def feed(self, data: bytes) -> int:
        """The master writes *data*; how much of it was taken."""
        taken = 0 if self.state.pending else self.receive(data)
        return taken + self.state.pending.put(data[taken:])

    def pump(self) -> None:
        """Go on with what the master wrote and there was no room for."""
        pending = self.state.pending
        while pending:
            taken = self.receive(bytes(pending.view[: min(len(pending), INPUT_BYTES)]))
            if not taken:
                return
            pending.get(min(taken, len(pending)))

    def receive(self, data: bytes) -> int:
        """Let *data* come in; how much of it there was room for."""
        at = 0
        while at < len(data):
            count = min(len(data) - at, self._room())
            if not count:
                break
            self._take(data[at : at + count])
            at += count
        return at

    def _room(self) -> int:
        """Bytes that may come in now; a line that is too long loses its last byte to each further one."""
        state = self.state
        room = INPUT_BYTES - len(state.input)
        if self.termios.iflag & PARMRK:
            room = -(-room // 3)
        room -= 1
        if room > 0:
            return room
        overflows = bool(self.termios.lflag & ICANON) and not state.canon
        if overflows and room < 0:
            state.input.cut(len(state.input) - 1)
        return int(overflows)

    def _take(self, data: bytes) -> None:
        if self.termios.is_raw and not self.state.literal:
            count = self.state.input.put(data)
            start = len(self.state.input) - count
            self.state.ends.view[start : start + count] = bytes(count)
            return
        for byte in data:
            self._take_byte(byte)
        self.show_echoes()

    def _take_byte(self, byte: int) -> None:
        iflag, lflag = self.termios.iflag, self.termios.lflag
        if iflag & ISTRIP:
            byte &= 0x7F
        if iflag & IUCLC and lflag & IEXTEN:
            byte = ord(bytes((byte,)).lower())
        if self.state.literal:
            self.state.literal = 0
            self._plain(byte)
        elif lflag & EXTPROC:
            self._store(byte)
        else:
            self._special(byte)

    def _special(self, byte: int) -> None:
        termios, iflag = self.termios, self.termios.iflag
        if byte == 0x0A and not (iflag & INLCR or termios.lflag & ICANON):
            self._plain(byte)
            return
        if iflag & IXON and self._flow(byte):
            return
        if termios.lflag & ISIG:
            for which, signo in _SIGNALS:
                if termios.is_char(byte, which):
                    self._signal(signo, byte)
                    return
        self._restart_at_any()
        if byte == 0x0D:
            if iflag & IGNCR:
                return
            byte = 0x0A if iflag & ICRNL else byte
        elif byte == 0x0A and iflag & INLCR:
            byte = 0x0D
        if termios.lflag & ICANON and self._canonical(byte):
            return
        self._echo_input(byte, as_newline=byte == 0x0A)
        self._store_doubled(byte)

    def _plain(self, byte: int) -> None:
        self._restart_at_any()
        self._echo_input(byte, as_newline=False)
        self._store_doubled(byte)

    def _echo_input(self, byte: int, *, as_newline: bool) -> None:
        if not self.termios.lflag & ECHO:
            return
        self.finish_erasing()
        if as_newline:
            self.echo_raw(byte)
            return
        if self.state.canon == len(self.state.input):
            self.state.canon_column = self.state.column
        self.echo(byte)

    def _store_doubled(self, byte: int) -> None:
        if byte == 0xFF and self.termios.iflag & PARMRK:
            self._store(byte)
        self._store(byte)

    def _store(self, byte: int, *, ends: bool = False) -> None:
        state = self.state
        if state.input.put(bytes((byte,))):
            state.ends.view[len(state.input) - 1] = int(ends)

    def _canonical(self, byte: int) -> bool:
        """A byte with a meaning in a line; False: it has none."""
        termios, lflag = self.termios, self.termios.lflag
        extended = bool(lflag & IEXTEN)
        if (
            termios.is_char(byte, VERASE)
            or termios.is_char(byte, VKILL)
            or (termios.is_char(byte, VWERASE) and extended)
        ):
            self.erase(byte)
        elif termios.is_char(byte, VLNEXT) and extended:
            self._next_is_literal()
        elif termios.is_char(byte, VREPRINT) and lflag & ECHO and extended:
            self.reprint(byte)
        elif byte == 0x0A:
            if lflag & (ECHO | ECHONL):
                self.echo_raw(byte)
            self._end_line(byte)
        elif termios.is_char(byte, VEOF):
            self._end_line(0)
        elif termios.is_char(byte, VEOL) or (termios.is_char(byte, VEOL2) and extended):
            self._echo_input(byte, as_newline=False)
            if byte == 0xFF and termios.iflag & PARMRK:
                self._store(byte)
            self._end_line(byte)
        else:
            return False
        return True

    def _end_line(self, byte: int) -> None:
        self._store(byte, ends=True)
        self.state.canon = len(self.state.input)

    def _next_is_literal(self) -> None:
        self.state.literal = 1
        if self.termios.lflag & ECHO:
            self.finish_erasing()
            if self.termios.lflag & ECHOCTL:
                self.echo_raw(0x5E)
                self.echo_raw(0x08)

    # --- stopping, starting, signals ----------------------------------------------------------------

    def _flow(self, byte: int) -> bool:
        if self.termios.is_char(byte, VSTART):
            self.start()
        elif self.termios.is_char(byte, VSTOP):
            self.stop()
        else:
            return False
        return True

    def _restart_at_any(self) -> None:
        if self.termios.iflag & (IXON | IXANY) == IXON | IXANY:
            self.start()

    def stop(self) -> None:
        """Hold output back."""
        if not self.state.stopped:
            self.state.stopped = 1
            self.tell(STOP, START)

    def start(self) -> None:
        """Let output go on, unless it was turned off by a call."""
        if self.state.stopped and not self.state.output_off:
            self.state.stopped = 0
            self.tell(START, STOP)
            self.show_echoes()

    def tell(self, bits: int, not_any_more: int = 0) -> None:
        """Let a master in packet mode know."""
        if self.state.packet:
            self.state.status = self.state.status & ~not_any_more | bits

    def _signal(self, signo: int, byte: int) -> None:
        self.signals.append(signo)
        if not self.termios.lflag & NOFLSH:
            self.state.echoes.cut(0)
            self.tell(FLUSHWRITE)
            self.flush_input()
        if self.termios.iflag & IXON:
            self.start()
        if self.termios.lflag & ECHO:
            self.echo(byte)
        else:
            self.show_echoes()

    def flush_input(self) -> None:
        """Forget what no reader has taken."""
        state = self.state
        state.input.cut(0)
        state.canon = state.erasing = 0
        self.tell(FLUSHREAD)

    # --- for the slave's readers ------------------------------------------------------------------

    def available(self, *, polled: bool = False) -> bool:
        """Whether there is something to read; *polled*: as poll says it, which waits for MIN bytes."""
        if self.termios.canonical:
            return self.state.canon > 0
        least = self.termios.cc[VMIN] if polled and not self.termios.cc[VTIME] else 1
        return len(self.state.input) >= max(least, 1)

    @property
    def amount(self) -> int:
        """As FIONREAD says it."""
        if not self.termios.canonical:
            return len(self.state.input)
        count = self.state.canon
        ends = self.state.ends.view[:count]
        return count - sum(1 for at in range(count) if ends[at] and not self.state.input.view[at])

    def read(self, room: int) -> bytes:
        """What a read of *room* bytes gets of what is there."""
        if not self.termios.canonical:
            return self._consume(min(room, len(self.state.input)))
        state = self.state
        count = min(room, state.canon)
        found = bytes(state.ends.view[:count]).find(1)
        if found < 0:
            line = self._consume(count)
            if state.canon and state.ends.view[0] and not state.input.view[0]:
                self._consume(1)  # an end of file right behind what was asked for
            return line
        line = self._consume(found + 1)
        return line[:found] if line[found] == 0 else line

    def _consume(self, count: int) -> bytes:
        state = self.state
        state.ends.view[: len(state.input) - count] = bytes(state.ends.view[count : len(state.input)])
        state.canon = max(state.canon - count, 0)
        return state.input.get(count)

    # --- modes ------------------------------------------------------------------------------------

    def set_modes(self, new: Termios) -> None:
        """Change the modes to *new*."""
        state, old = self.state, self.termios
        state.modes = new.pack()
        self.termios = new
        self._tell_of_modes(old, new)
        if (old.lflag ^ new.lflag) & (ICANON | EXTPROC):
            count = len(state.input)
            state.ends.view[:count] = bytes(count)
            state.canon = 0
            if new.lflag & ICANON and count:
                state.ends.view[count - 1] = 1
                state.canon = count
            state.erasing = state.literal = 0
        if old.iflag & IXON and not new.iflag & IXON and not state.output_off:
            self.start()

    def _tell_of_modes(self, old: Termios, new: Termios) -> None:
        if old.usual_flow != new.usual_flow:
            bit = DOSTOP if new.usual_flow else NOSTOP
            self.tell(bit, DOSTOP | NOSTOP)
        if (old.lflag | new.lflag) & EXTPROC:
            self.tell(IOCTL)
