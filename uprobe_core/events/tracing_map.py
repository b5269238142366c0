"""The order in which a kernel lists a histogram's entries.

Entries are first sorted by the bytes of their keys (to find duplicates) and then
with an unstable sort; so those that compare equal come in an order that only
that sort explains.  Sources: lib/sort.c, tracing_map_sort_entries and
detect_dups in kernel/trace/tracing_map.c (6.12), and recorded histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ("heap_sort", "sorted_entries")

T = TypeVar("T")
Compare = Callable[[T, T], int]


def heap_sort(items: list[T], compare: Compare[T]) -> None:
    """Sort *items* in place as lib/sort.c does: a bottom-up heap sort that pops two at a time."""
    count, start, shift = len(items), len(items) // 2, 0
    if not start:
        return
    while True:
        if start:
            start -= 1 << shift
        elif count > 3:
            count -= 1
            items[0], items[count] = items[count], items[0]
            shift = int(compare(items[1], items[2]) <= 0)
            start = 1 << shift
            count -= 1
            items[start], items[count] = items[count], items[start]
        else:
            break
        _sift(items, start, count, compare)
    count -= 1
    items[0], items[count] = items[count], items[0]
    if count == 2 and compare(items[0], items[1]) > 0:
        items[0], items[1] = items[1], items[0]


def _sift(items: list[T], start: int, count: int, compare: Compare[T], left: int = 1) -> None:
    """Let the item at *start* sink into the heap below it: down to a leaf, then back up.

    It goes left where the comparison of the two says *left* or more.
    """
    b = start
    while (d := (c := 2 * b + 1) + 1) < count:
        b = c if compare(items[c], items[d]) >= left else d
    if d == count:
        b = c
    while b != start and compare(items[start], items[b]) >= 0:
        b = (b - 1) // 2
    place = b
    while b != start:
        b = (b - 1) // 2
        items[b], items[place] = items[place], items[b]


def older_heap_sort(items: list[T], compare: Compare[T]) -> None:
    """Sort *items* in place as 6.1 does: it pops one at a time, and of equal leaves takes the left one."""
    for start in reversed(range(len(items) // 2)):
        _sift(items, start, len(items), compare, left=0)
    for count in reversed(range(1, len(items))):
        items[0], items[count] = items[count], items[0]
        _sift(items, 0, count, compare, left=0)


def sorted_entries(
    entries: list[T], compares: Sequence[Compare[T]], sort: Callable[[list[T], Compare[T]], None] = heap_sort
) -> list[T]:
    """*entries* (by the bytes of their keys) by the first comparison, equal ones by the second."""
    items = list(entries)
    sort(items, compares[0])
    if len(compares) > 1:
        start = 0
        for end in range(1, len(items) + 1):
            if end == len(items) or compares[0](items[start], items[end]) != 0:
                run = items[start:end]
                sort(run, compares[1])
                items[start:end] = run
                start = end
    return items
