"""Names of events that are made from those of functions."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

__all__ = ("MOST", "apart", "identifier")

MOST = 63
"""Characters of an event's name (MAX_EVENT_NAME_LEN - 1)."""


def apart(shorts: Sequence[str], names: Sequence[str], places: Sequence[int], most: int = MOST) -> list[str]:
    """An event name for each function.

    Those that would be the same get a sum of the symbol's own name, or of that and its place.
    """
    shared = Counter(names)
    names = [f"{name}@{at:x}" if shared[name] > 1 else name for name, at in zip(names, places, strict=True)]
    texts = [identifier(short, most) for short in shorts]
    often = Counter(texts)
    return [
        _with_sum(text, name, most) if often[text] > 1 else text
        for text, name in zip(texts, names, strict=True)
    ]


def _with_sum(text: str, name: str, most: int) -> str:
    return f"{text[: most - 9]}_{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}"


def identifier(name: str, most: int = MOST) -> str:
    """*name* as an event name: what is no letter, digit or underscore becomes one.

    What is longer than *most* characters ends in a sum of all of it, so that two do not become one.
    """
    text = name
    if not (name.isascii() and name.isidentifier()):
        text = "".join(c if (c.isalnum() and c.isascii()) or c == "_" else "_" for c in name)
    text = text if not text[:1].isdigit() else f"_{text}"
    return text if len(text) <= most else _with_sum(text, name, most)
