r"""Text of a guest in formats that hold UTF-8 only: bytes that are not UTF-8 are escaped, reversibly.

The strings of a record carry such bytes as lone surrogates (PEP 383).  In a
file each is ``\xNN``, two lower-case hexadecimal digits; a backslash that is
followed by something that looks so is ``\x5c``.  All other text is itself, so
``re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode())``
gives the guest's bytes back.
"""

from __future__ import annotations

import re

from uprobe_core.writer import Value

__all__ = ("escaped", "escaped_value")

_SPECIAL = re.compile(r"[\udc80-\udcff]|\\(?=x[0-9a-f]{2})")


def escaped(text: str) -> str:
    """*text* as UTF-8 can hold it."""
    return _SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]) & 0xFF:02x}"


def escaped_value(value: Value) -> Value:
    """A fetched value with its text, or the texts of an array, escaped."""
    if isinstance(value, tuple):
        return tuple(escaped(each) if isinstance(each, str) else each for each in value)
    return escaped(value) if isinstance(value, str) else value
