"""A set of objects that keeps their order, where nothing takes longer because there are many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ("InOrder",)

T = TypeVar("T")


class InOrder(Generic[T]):
    """Objects in the order in which they were added, told apart by identity.

    Each has a number, which it keeps and no other gets; adding, removing and
    finding one is a step, however many there are.
    """

    __slots__ = ("_items", "_next", "_numbers", "_sorted")

    def __init__(self) -> None:
        self._items: dict[int, T] = {}
        self._numbers: dict[int, int] = {}
        """Numbers by the objects' id()."""
        self._next = 0
        self._sorted = True

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return id(item) in self._numbers

    def __iter__(self) -> Iterator[T]:
        if not self._sorted:
            self._items = dict(sorted(self._items.items()))
            self._sorted = True
        return iter(self._items.values())

    def __getitem__(self, number: int) -> T:
        """The object with *number*; raises KeyError if there is none."""
        return self._items[number]

    @property
    def next(self) -> int:
        """The number that the next new object gets; all others are below."""
        return self._next

    def number(self, item: T) -> int:
        """The number of *item*; raises KeyError if it is not there."""
        return self._numbers[id(item)]

    def add(self, item: T) -> None:
        """Put *item* at the end; nothing happens if it is there."""
        if id(item) not in self._numbers:
            self._numbers[id(item)] = self._next
            self._items[self._next] = item
            self._next += 1

    def remove(self, item: T) -> int:
        """Take *item* out and return its number, with which it can be put back; raises KeyError."""
        number = self._numbers.pop(id(item))
        del self._items[number]
        return number

    def put_back(self, item: T, number: int) -> None:
        """Undo remove: *item* is where it was."""
        self._numbers[id(item)] = number
        self._items[number] = item
        self._sorted = False

    def clear(self) -> None:
        """Take all out."""
        self._items.clear()
        self._numbers.clear()
