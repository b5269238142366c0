"""Packets of GDB's remote protocol, as a stub reads and writes them.

What is described here is in "Overview" of the appendix "GDB Remote Serial Protocol" of GDB's manual.
"""

from __future__ import annotations

__all__ = ("INTERRUPT", "BadPacketError", "escaped", "framed", "take", "unescaped")

INTERRUPT = b"\x03"
"""Outside of any packet: stop what runs."""
_SPECIAL = b"}$#*"


class BadPacketError(Exception):
    """A packet whose checksum is wrong: it is to be sent again."""


def framed(payload: bytes) -> bytes:
    """*payload*, whose special bytes are escaped already, as a packet."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def escaped(data: bytes) -> bytes:
    """Binary *data* as a packet may hold it."""
    return b"".join(b"}%c" % (byte ^ 0x20) if byte in _SPECIAL else b"%c" % byte for byte in data)


def unescaped(data: bytes) -> bytes:
    """The opposite of :func:`escaped`."""
    result, places = bytearray(), iter(data)
    for byte in places:
        result.append(next(places, 0x20) ^ 0x20 if byte == 0x7D else byte)
    return bytes(result)


def take(buffer: bytearray) -> bytes | None:
    """Remove the first thing in *buffer* and return it: a packet's payload, or INTERRUPT.

    None if there is nothing whole yet; acknowledgements and noise are dropped.  Raises BadPacketError.
    """
    while buffer:
        if buffer[:1] == INTERRUPT:
            del buffer[:1]
            return INTERRUPT
        if buffer[:1] == b"$":
            end = buffer.find(b"#")
            if end < 0 or len(buffer) < end + 3:
                return None
            payload, check = bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 3])
            del buffer[: end + 3]
            if check.lower() != b"%02x" % (sum(payload) & 0xFF):
                raise BadPacketError
            return payload
        del buffer[:1]
    return None
