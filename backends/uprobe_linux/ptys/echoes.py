"""What a terminal's writers and its echo become on the way to the master: output processing.

Facts: drivers/tty/n_tty.c (do_output_char, process_output_block, __process_echoes).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from uprobe_linux.ptys.termios import (
    ECHOCTL,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    TABDLY,
    Termios,
    is_control,
)

if TYPE_CHECKING:
    from uprobe_linux.ptys.state import PtyState

__all__ = ("Echoes",)

_MANY = 256
"""ECHO_COMMIT_WATERMARK."""
_PLAIN = re.compile(rb"[^\n\r\t\b]+")


class Echoes:
    """The way from the slave to the master of *state*."""

    def __init__(self, state: PtyState) -> None:
        self.state = state
        self.termios: Termios = state.termios

    @property
    def is_stopped(self) -> bool:
        """Whether output is held back."""
        return bool(self.state.stopped)

    # --- what programs write ------------------------------------------------------------------------

    def write(self, data: bytes) -> int:
        """Process what fits of *data*; how many of its bytes that was."""
        self.show_echoes()
        if self.is_stopped or self.state.echoes:
            return 0
        if not self.termios.oflag & OPOST:
            return self.state.output.put(data)
        at = 0
        while at < len(data):
            run = _PLAIN.match(data, at)
            done = self._put_plain(run.group()) if run else self._put_special(data[at])
            at += done
            if not done:
                break
        return at

    def _put_plain(self, run: bytes) -> int:
        run = run[: self.state.output.room]
        put = run.upper() if self.termios.oflag & OLCUC else run
        self._advance(run)
        return self.state.output.put(put)

    def _put_special(self, byte: int) -> int:
        """One byte that moves the cursor; 1, or 0 where there is no room."""
        if self.state.output.room < 8:
            return 0
        self.state.output.put(self._processed(byte))
        return 1

    def _advance(self, run: bytes) -> None:
        """The cursor after *run*, in which nothing moves it but what is printed."""
        skipped = sum(1 for byte in run if is_control(byte) or self.termios.is_continuation(byte))
        self.state.column += len(run) - skipped

    def _processed(self, byte: int) -> bytes:
        state, oflag = self.state, self.termios.oflag
        if byte == 0x0A:
            if oflag & ONLRET:
                state.column = 0
            if oflag & ONLCR:
                state.canon_column = state.column = 0
                return b"\r\n"
            state.canon_column = state.column
            return b"\n"
        if byte == 0x0D:
            return self._return()
        if byte == 0x09:
            spaces = 8 - (state.column & 7)
            state.column += spaces
            return b" " * spaces if oflag & TABDLY == TABDLY else b"\t"
        if byte == 0x08:
            state.column = max(state.column - 1, 0)
            return b"\b"
        self._advance(bytes((byte,)))
        return bytes((byte,)).upper() if oflag & OLCUC else bytes((byte,))

    def _return(self) -> bytes:
        state, oflag = self.state, self.termios.oflag
        if oflag & ONOCR and not state.column:
            return b""
        if oflag & OCRNL:
            if oflag & ONLRET:
                state.canon_column = state.column = 0
            return b"\n"
        state.canon_column = state.column = 0
        return b"\r"

    # --- what is echoed -----------------------------------------------------------------------------

    def show_echoes(self) -> None:
        """Echoes that had to wait, as far as there is room."""
        echoes, output = self.state.echoes, self.state.output
        if echoes and not self.is_stopped:
            output.put(echoes.get(min(len(echoes), output.room)))

    def echo_raw(self, byte: int) -> None:
        """Echo *byte* with output processing alone."""
        self._emit(self._processed(byte) if self.termios.oflag & OPOST else bytes((byte,)))

    def echo(self, byte: int) -> None:
        """Echo *byte* as people see it: ^C for a control character."""
        if self.termios.lflag & ECHOCTL and is_control(byte) and byte != 0x09:
            self.state.column += 2
            self._emit(bytes((0x5E, byte ^ 0x40)))
        else:
            self.echo_raw(byte)

    def erase_tab(self, used: int, *, after_tab: bool) -> None:
        """Go back over a tab behind *used* columns, since another tab or since the line's start."""
        columns = used & 7 if after_tab else (used & 7) + self.state.canon_column
        back = 8 - (columns & 7)
        self.state.column = max(self.state.column - back, 0)
        self._emit(b"\b" * back)

    def _emit(self, data: bytes) -> None:
        """Shown when all that came in at once was looked at, or many are there: a signal forgets them."""
        if len(self.state.echoes) >= _MANY:
            self.show_echoes()
        self.state.echoes.put(data)
