"""Editing a line that has no end yet: erase, kill, word erase and reprint, with what they echo.

Facts: drivers/tty/n_tty.c (eraser, finish_erasing).
"""

from __future__ import annotations

from uprobe_linux.ptys.echoes import Echoes
from uprobe_linux.ptys.termios import (
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHOPRT,
    VERASE,
    VKILL,
    VWERASE,
    is_control,
)

__all__ = ("Erasing",)


class Erasing(Echoes):
    """The last line of input, while it can be changed."""

    def erase(self, byte: int) -> None:
        """VERASE, VKILL or VWERASE came in."""
        state, lflag = self.state, self.termios.lflag
        if len(state.input) == state.canon:
            return
        if self.termios.is_char(byte, VERASE):
            self._erase_until(VERASE)
        elif self.termios.is_char(byte, VWERASE):
            self._erase_until(VWERASE)
        elif lflag & ECHO and lflag & ECHOK and lflag & ECHOKE and lflag & ECHOE:
            self._erase_until(VKILL)
        else:
            state.input.cut(state.canon)
            if lflag & ECHO:
                self.finish_erasing()
                self.echo(self.termios.cc[VKILL])
                if lflag & ECHOK:
                    self.echo_raw(0x0A)

    def _erase_until(self, kind: int) -> None:
        state, seen = self.state, False
        while len(state.input) > state.canon:
            head = self._character()
            byte = state.input.view[head]
            if self.termios.is_continuation(byte):
                break
            if kind == VWERASE:
                if bytes((byte,)).isalnum() or byte == 0x5F:
                    seen = True
                elif seen:
                    break
            erased = bytes(state.input.view[head : len(state.input)])
            state.input.cut(head)
            if self.termios.lflag & ECHO:
                self._show_erased(erased, kind)
            if kind == VERASE:
                break
        if len(state.input) == state.canon and self.termios.lflag & ECHO:
            self.finish_erasing()

    def _character(self) -> int:
        """Where the last character begins, which may have several bytes."""
        state = self.state
        head = len(state.input) - 1
        while head > state.canon and self.termios.is_continuation(state.input.view[head]):
            head -= 1
        return head

    def _show_erased(self, erased: bytes, kind: int) -> None:
        lflag, byte = self.termios.lflag, erased[0]
        if lflag & ECHOPRT:
            if not self.state.erasing:
                self.echo_raw(0x5C)
                self.state.erasing = 1
            self.echo(byte)
            for further in erased[1:]:
                self.echo_raw(further)
                self.state.column = max(self.state.column - 1, 0)
        elif kind == VERASE and not lflag & ECHOE:
            self.echo(self.termios.cc[VERASE])
        elif byte == 0x09:
            self._erase_tab()
        else:
            if is_control(byte) and lflag & ECHOCTL:
                self._back()
            if not is_control(byte) or lflag & ECHOCTL:
                self._back()

    def _back(self) -> None:
        for byte in b"\b \b":
            self.echo_raw(byte)

    def _erase_tab(self) -> None:
        state, columns = self.state, 0
        for byte in reversed(bytes(state.input.view[state.canon : len(state.input)])):
            if byte == 0x09:
                self.erase_tab(columns, after_tab=True)
                return
            if is_control(byte):
                columns += 2 if self.termios.lflag & ECHOCTL else 0
            elif not self.termios.is_continuation(byte):
                columns += 1
        self.erase_tab(columns, after_tab=False)

    def finish_erasing(self) -> None:
        """Close what ECHOPRT has opened."""
        if self.state.erasing:
            self.echo_raw(0x2F)
            self.state.erasing = 0

    def reprint(self, byte: int) -> None:
        """VREPRINT came in: show the line again."""
        self.finish_erasing()
        self.echo(byte)
        self.echo_raw(0x0A)
        state = self.state
        for shown in bytes(state.input.view[state.canon : len(state.input)]):
            self.echo(shown)
