"""Lists of CPUs in filters: ``CPUS{0-2,5}``, ``CPUS{all}``, ``CPUS{0-N:1/2}``.

Grammar: bitmap_parselist in lib/bitmap-str.c (6.12), held against recorded filters.
"""

from __future__ import annotations

import re

__all__ = ("CPUS", "cpu_list")

CPUS = 2
"""A kernel takes numbers of CPUs that its machine may have; the recorded machines had two."""
_REGION = re.compile(r"(?:(all)|(\d+|N)(?:-(\d+|N))?)(?::(\d+|N)/(\d+|N))?", re.ASCII | re.IGNORECASE)
_BETWEEN = ", \t\v\f\r"


def cpu_list(text: str) -> frozenset[int] | None:
    """The CPUs of *text*, None where it is malformed or there is no such CPU.

    Regions stand between commas and blanks; in ``A-B:USED/GROUP`` the first USED of every GROUP count.
    """
    cpus: set[int] = set()
    at = 0
    while at < len(text) and text[at] != "\n":
        if text[at] in _BETWEEN:
            at += 1
            continue
        found = _REGION.match(text, at)
        region = None if found is None else _region(*found.groups())
        if found is None or region is None:
            return None
        at = found.end()
        if found[5] is None and text[at : at + 1] not in ("", "\n", *_BETWEEN):
            return None
        cpus |= region
    return frozenset(cpus)


def _region(
    whole: str | None, first: str | None, last: str | None, used: str | None, group: str | None
) -> set[int] | None:
    if "n" in (first, last, used, group) or ((used is not None) and whole is None and last is None):
        return None
    low = 0 if whole else _number(first or "")
    high = CPUS - 1 if whole else low if last is None else _number(last)
    take = high + 1 if used is None else _number(used)
    step = high + 1 if group is None else _number(group)
    if low > high or high >= CPUS or not step or take > step:
        return None
    return {start + n for start in range(low, high + 1, step) for n in range(take) if start + n <= high}


def _number(text: str) -> int:
    return CPUS - 1 if text == "N" else int(text)
