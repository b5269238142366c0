"""Fetched values as people read them in trees and pages."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from uprobe_core.call_pairs import POINTER, is_for_people
from uprobe_core.event_model import FetchArg, FetchType, Gone, Record, Scalar, Value

__all__ = (
    "indented",
    "is_character",
    "quoted",
    "short_time",
    "time_text",
    "value_text",
    "values_text",
    "visible",
    "word_of",
)

_LONGEST = 64
"""Characters of a string that are shown."""
_LONGEST_SHAPE = 160
"""Characters of a structure that are shown."""
_CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), 127)} | {9: "\\t", 10: "\\n", 13: "\\r"}
"""What would end a line, or do something to a terminal, as C writes it."""
_ESCAPES = _CONTROLS | {34: '\\"', 92: "\\\\"}
"""The same in a string with quotation marks around it."""
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are not seen themselves, but do something to what is: turn it around, say."""
_JOINERS = "\u200c\u200d"
"""Two of them that words and pictures are written with."""
_DEEPEST = 20
"""Calls that are nested so deep are indented."""
_ROUNDS_UP = 0.9995
"""Of a unit what is one of it with three places."""
_STEPS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))


def time_text(time: float) -> str:
    """Nanoseconds in the unit in which they are between 1 and 1000, in ten characters (up to three years)."""
    for size, unit in _STEPS:
        if time >= size * _ROUNDS_UP:
            whole = len(f"{time / size:.0f}")
            return f"{time / size:.{min(max(7 - whole, 0), 3)}f} {unit}"
    return f"{time:.0f} ns"


def short_time(time: float) -> str:
    """The same with three digits and without a blank, in six characters (up to a quarter of an hour)."""
    for size, unit in _STEPS:
        if time >= size * _ROUNDS_UP:
            amount = time / size
            return f"{amount:.{2 if amount < 9.995 else 1 if amount < 99.95 else 0}f}{unit}"
    return f"{time:.0f}ns"


def indented(depth: int) -> str:
    """What stands before a call in *depth* others; beyond twenty of them their number."""
    return "  " * depth if depth <= _DEEPEST else f"{'  ' * _DEEPEST}[{depth}] "


def is_character(number: int) -> bool:
    """Whether *number* is one of Unicode that stands for itself."""
    return 0 <= number <= sys.maxunicode and not 0xD800 <= number <= 0xDFFF


def word_of(kind: FetchType, value: Scalar) -> str | None:
    """What *value* is called, None for a number without a name; flags are ``A|B``."""
    words = dict(kind.words)
    if not isinstance(value, int):
        return None
    if value in words or not kind.has_flags or not value:
        return words.get(value)
    bits = [bit for bit in words if bit > 0 and value & bit == bit]
    rest = value & ~sum(bits)
    return "|".join([words[bit] for bit in bits] + [f"{rest:#x}"] * bool(rest)) if bits else None


def value_text(arg: FetchArg, value: Value) -> str:
    """As its type says: enumerations by name, strings quoted and cut, ``(fault)`` for unreadable ones."""
    if isinstance(value, tuple):
        return "{" + ",".join(_scalar(arg.type, each) for each in value) + "}"
    return _scalar(arg.type, value)


def _scalar(kind: FetchType, value: Scalar) -> str:
    if value is None or isinstance(value, Gone):
        return "(fault)" if value is None else str(value)
    if isinstance(value, str):
        return _text(kind, value)
    if isinstance(value, float):
        return f"{value:g}"
    if kind.kind == "c" or (kind.kind == "C" and is_character(value)):
        return "'" + _visible(chr(value & 0xFF if kind.kind == "c" else value), _ESCAPES) + "'"
    return word_of(kind, value) or (f"{value:#x}" if kind.kind == "x" else str(value))


def _text(kind: FetchType, value: str) -> str:
    if not kind.is_string:
        text = _visible(value, _CONTROLS)
        return text if len(text) <= _LONGEST_SHAPE else f"{text[:_LONGEST_SHAPE]}…"
    more = "…" if len(value) > _LONGEST else ""
    return quoted(value[:_LONGEST]) + more


def quoted(text: str) -> str:
    """*text* of a guest in quotation marks: nothing in it ends a line or does something to a terminal."""
    return f'"{_visible(text, _ESCAPES)}"'


def visible(text: str) -> str:
    """The same without the quotation marks, and without escapes for them and for backslashes."""
    return _visible(text, _CONTROLS)


def _visible(text: str, escapes: Mapping[int, str]) -> str:
    text = text.translate(escapes)
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(letter: str) -> str:
    """What is seen of it: a byte that is no UTF-8 is ``\\xff``, another unseen character ``\\u202e``."""
    from unicodedata import category  # seldom needed

    number = ord(letter)
    if category(letter) not in _UNSEEN or letter in _JOINERS:
        return letter
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def values_text(record: Record) -> tuple[str, ...]:
    """``name=value`` of each argument that is for people; a string at address 0 is ``NULL``."""
    values = list(zip(record.event.args, record.values, strict=True))
    nowhere = {arg.name for arg, value in values if value == 0 and arg.name.startswith(POINTER)}
    return tuple(
        f"{arg.name}={'NULL' if POINTER + arg.name in nowhere else value_text(arg, value)}"
        for arg, value in values
        if is_for_people(arg.name)
    )
