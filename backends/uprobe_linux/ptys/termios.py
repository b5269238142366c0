"""struct termios as arm64 and x86-64 lay it out, with the names of its bits.

Facts: include/uapi/asm-generic/termbits.h, drivers/tty/tty_io.c (tty_std_termios), pty.c (unix98_pty_init).
"""

from __future__ import annotations

import struct

__all__ = (
    "SPEED_BYTES",
    "STANDARD",
    "TERMIOS_BYTES",
    "TERMIO_BYTES",
    "WINSIZE_BYTES",
    "Termios",
    "is_control",
    "speeds",
)

IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL = 0x1, 0x2, 0x8, 0x20, 0x40, 0x80, 0x100
IUCLC, IXON, IXANY, IUTF8 = 0x200, 0x400, 0x800, 0x4000
OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, TABDLY = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x1800
CSIZE, CS8, CREAD, PARENB, CLOCAL, B38400 = 0x30, 0x30, 0x80, 0x100, 0x800, 0xF
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH, TOSTOP = 0x1, 0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100
ECHOCTL, ECHOPRT, ECHOKE, IEXTEN, EXTPROC = 0x200, 0x400, 0x800, 0x8000, 0x10000
VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSTART, VSTOP, VSUSP = 0, 1, 2, 3, 4, 5, 6, 8, 9, 10
VEOL, VREPRINT, VWERASE, VLNEXT, VEOL2 = 11, 12, 14, 15, 16
TERMIOS_BYTES, SPEED_BYTES, TERMIO_BYTES, WINSIZE_BYTES = 36, 8, 18, 8
"""struct termios; what struct termios2 has behind it; struct termio; struct winsize."""
_CBAUD, _CBAUDEX, _IBSHIFT, _BOTHER = 0x100F, 0x1000, 16, 0x1000
_SPEEDS = struct.Struct("<2I")
_BAUDS = (
    *(0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400),
    *(57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000),
    *(2500000, 3000000, 3500000, 4000000),
)
"""drivers/tty/tty_baudrate.c: baud_table."""
_LAYOUT, _FLAG_BYTES = struct.Struct("<4IB19s"), 16
_OLD, _LOW = struct.Struct("<4HB8sx"), 0xFFFF
_CHARACTERS = bytes.fromhex("031c7f150400010011131a00120f1716")
"""From VINTR on: ^C ^\\ DEL ^U ^D, MIN 1, ^Q ^S ^Z, ^R ^O ^W ^V."""
STANDARD = _LAYOUT.pack(
    ICRNL | IXON,
    OPOST | ONLCR,
    B38400 | CS8 | CREAD,
    ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    0,
    _CHARACTERS,
)
"""What a new pseudo-terminal has."""
_SPECIAL_ALWAYS = ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK


class Termios:
    """The modes of a terminal, taken apart.

    :param raw: struct termios, TERMIOS_BYTES long
    """

    __slots__ = ("cc", "cflag", "iflag", "lflag", "line", "oflag")
    cc: bytes
    cflag: int
    iflag: int
    lflag: int
    oflag: int

    def __init__(self, raw: bytes) -> None:
        self._unpack(raw)

    def _unpack(self, raw: bytes) -> None:
        self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc = _LAYOUT.unpack(raw)

    def pack(self) -> bytes:
        """As it was given, with what has been changed."""
        return _LAYOUT.pack(self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc)

    def keep(self, old: bytes, kept: bytes) -> None:
        """Leave as in *old* what *kept* names: bits of flags, whole characters (unset_locked_termios)."""
        pairs = list(zip(self.pack(), old, kept, strict=True))
        flags = [new & ~mask | was & mask for new, was, mask in pairs[:_FLAG_BYTES]]
        rest = [was if mask else new for new, was, mask in pairs[_FLAG_BYTES:]]
        self._unpack(bytes(flags + rest))

    def pack_old(self) -> bytes:
        """As struct termio: the low halves of the flags, and eight characters."""
        flags = (each & _LOW for each in (self.iflag, self.oflag, self.cflag, self.lflag))
        return _OLD.pack(*flags, self.line, self.cc[:8])

    def set_old(self, raw: bytes) -> None:
        """Take from struct termio *raw* what it has."""
        iflag, oflag, cflag, lflag, self.line, characters = _OLD.unpack(raw)
        self.iflag = self.iflag & ~_LOW | iflag
        self.oflag = self.oflag & ~_LOW | oflag
        self.cflag = self.cflag & ~_LOW | cflag
        self.lflag = self.lflag & ~_LOW | lflag
        self.cc = characters + self.cc[8:]

    @property
    def canonical(self) -> bool:
        """Whether input is read line by line."""
        return self.lflag & (ICANON | EXTPROC) == ICANON

    @property
    def is_raw(self) -> bool:
        """Whether input goes through as it is."""
        return not (self.iflag & _SPECIAL_ALWAYS or self.lflag & (ICANON | ISIG | ECHO))

    @property
    def usual_flow(self) -> bool:
        """Whether ^S and ^Q stop and start the output, which packet mode tells of."""
        return bool(self.iflag & IXON) and (self.cc[VSTOP], self.cc[VSTART]) == (0x13, 0x11)

    def is_char(self, byte: int, which: int) -> bool:
        """Whether *byte* is special character *which*, which may be disabled (0)."""
        return bool(byte and self.cc[which] == byte)

    def is_continuation(self, byte: int) -> bool:
        """Whether *byte* goes on with a character of UTF-8."""
        return bool(self.iflag & IUTF8) and byte & 0xC0 == 0x80


def speeds(cflag: int, given: bytes) -> bytes:
    """What struct termios2 has behind struct termios, by *cflag*; *given* where that says BOTHER."""
    kept_in, kept_out = _SPEEDS.unpack(given)
    output = _speed(cflag & _CBAUD, kept_out)
    kind = cflag >> _IBSHIFT & _CBAUD
    return _SPEEDS.pack(_speed(kind, kept_in) if kind else output, output)


def _speed(kind: int, kept: int) -> int:
    """tty_termios_baud_rate."""
    if kind == _BOTHER:
        return kept
    index = (kind & ~_CBAUDEX) + 15 if kind & _CBAUDEX else kind
    return _BAUDS[index] if index < len(_BAUDS) else 0


def is_control(byte: int) -> bool:
    """The kernel's iscntrl."""
    return byte < 32 or byte == 127
