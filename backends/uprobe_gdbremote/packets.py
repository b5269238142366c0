"""Packets of the GDB remote serial protocol as bytes: frames, checksums, escapes, runs.

What is described here is in "Overview" of the appendix "GDB Remote Serial
Protocol" of GDB's manual.  Nothing here knows a connection.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("INTERRUPT", "Packet", "escaped", "expanded", "frame", "hexadecimal", "number", "split")

INTERRUPT = b"\x03"
"""Outside of any packet: stop what runs."""
_SPECIAL = b"}$#*"


class Packet(NamedTuple):
    """One packet off the wire.

    :param data: what it says, with escapes and runs resolved
    :param good: whether its checksum is right
    :param notification: whether nobody asked for it (``%``), so it is not acknowledged
    """

    data: bytes
    good: bool = True
    notification: bool = False


def frame(payload: bytes) -> bytes:
    """*payload*, whose special bytes are escaped already, as a packet."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def escaped(data: bytes) -> bytes:
    """Binary *data* as a packet may hold it."""
    if not any(byte in data for byte in _SPECIAL):
        return data
    return b"".join(b"}%c" % (byte ^ 0x20) if byte in _SPECIAL else b"%c" % byte for byte in data)


def expanded(text: bytes) -> bytes:
    """What the escapes and run lengths of *text* mean: the opposite of :func:`escaped`, and more.

    ``*`` and a character repeat the byte before, as often as the character's code minus 29.
    """
    if b"*" not in text and b"}" not in text:
        return text
    result = bytearray()
    places = iter(text)
    for byte in places:
        if byte == 0x7D:
            result.append(next(places, 0x20) ^ 0x20)
        elif byte == 0x2A and result:
            result += result[-1:] * (next(places, 29) - 29)
        else:
            result.append(byte)
    return bytes(result)


def split(buffer: bytes) -> tuple[Packet | None, bytes]:
    """The first complete packet of *buffer*, None if there is none yet, and what is left behind it.

    Acknowledgements and noise before it are dropped.
    """
    begin, other = buffer.find(b"$"), buffer.find(b"%")
    if other >= 0 and (other < begin or begin < 0):
        begin = other
    if begin < 0:
        return None, b""
    end = buffer.find(b"#", begin)
    if end < 0 or len(buffer) < end + 3:
        return None, buffer[begin:]
    text, rest = buffer[begin + 1 : end], buffer[end + 3 :]
    try:
        good = int(buffer[end + 1 : end + 3], 16) == sum(text) & 0xFF
    except ValueError:
        good = False
    return Packet(expanded(text), good, buffer[begin] == 0x25), rest


def hexadecimal(data: bytes) -> bytes:
    """*data* as two digits a byte."""
    return data.hex().encode()


def number(text: bytes) -> int:
    """A hexadecimal number as packets have it, most significant digit first; raises ValueError."""
    return int(text, 16)
