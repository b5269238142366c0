"""String matching in filters: exact text and globs.

Sources: filter_parse_regex and regex_match_* in
kernel/trace/trace_events_filter.c, glob_match in lib/glob.c (6.12).  A task
name is matched as the 16 bytes that it occupies, so ``*end`` sees its padding.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("glob_match", "pattern_matcher")

Matcher = Callable[[str | None], bool]
_COMM_LENGTH = 15


def glob_match(pattern: str, text: str) -> bool:
    """Whether *text* is what *pattern* (``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``\\``) describes."""
    at = here = 0
    star, star_at = -1, 0
    while True:
        if here < len(pattern) and pattern[here] == "*":
            star, star_at = here + 1, at
            here += 1
            continue
        if at == len(text) and here == len(pattern):
            return True
        step = _one(pattern, here, text[at]) if at < len(text) and here < len(pattern) else 0
        if step:
            here, at = here + step, at + 1
            continue
        if star < 0 or star_at >= len(text):
            return False
        star_at += 1
        here, at = star, star_at


def _one(pattern: str, here: int, char: str) -> int:
    """Characters of *pattern* that match *char* at *here*, 0 if they do not."""
    first = pattern[here]
    if first == "?":
        return 1
    if first == "[":
        return _character_class(pattern, here, char)
    if first == "\\" and here + 1 < len(pattern):
        return 2 if pattern[here + 1] == char else 0
    return 1 if first == char else 0


def _character_class(pattern: str, here: int, char: str) -> int:
    """The same for ``[...]``; without an end it is an ordinary bracket."""
    at = here + 1
    inverted = pattern[at : at + 1] == "!"
    at += inverted
    found, first = False, at
    while True:
        if at >= len(pattern):
            return 1 if char == "[" else 0
        low = high = pattern[at]
        if low == "]" and at > first:
            break
        at += 1
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high = pattern[at + 1]
            at += 2
        found |= low <= char <= high
    return at + 1 - here if found != inverted else 0


def pattern_matcher(operator: str, pattern: str, *, is_comm: bool = False) -> tuple[Matcher, bool]:
    """What tests a string against *pattern*, and whether its answer is to be inverted.

    :param operator: "==", "!=" or "~"
    :param is_comm: the string is a task name in its 16 bytes

    An unreadable string (None) compares as an empty one, but ends in nothing.  To a glob it is empty
    even where other patterns find old text (LeftText of record_buffer; recorded: filter-faults).
    """
    if operator != "~":
        return (lambda text: (text or "") == pattern), operator == "!="
    inverted = pattern.startswith("!")
    return _glob_matcher(pattern[inverted:], is_comm), inverted


def _glob_matcher(pattern: str, is_comm: bool) -> Matcher:
    if pattern[:1] in tuple("0123456789"):
        return lambda text: (text or "") == pattern
    inner = pattern[1:-1]
    if any(c in "[?\\" for c in pattern) or "*" in inner:
        return lambda text: glob_match(pattern, text if type(text) is str else "")
    if pattern.startswith("*") and len(pattern) > 1 and pattern.endswith("*"):
        return lambda text: inner in (text or "")
    if pattern.startswith("*"):
        return _end_matcher(pattern[1:], is_comm)
    if pattern.endswith("*"):
        return lambda text: (text or "").startswith(pattern[:-1])
    return lambda text: (text or "") == pattern


def _end_matcher(tail: str, is_comm: bool) -> Matcher:
    if is_comm:
        return lambda text: (text or "").ljust(_COMM_LENGTH, "\0").endswith(tail)
    return lambda text: text is not None and text.endswith(tail)
