"""Where the probes of a running program may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ("SafePoints",)

T = TypeVar("T")


class SafePoints(Protocol):
    """Where the running program's probes may change (LiveChanges)."""

    def do(self, function: Callable[[], T]) -> T:
        """Call *function* from the running thread at once, from another one at the next safe point."""
        ...

    def soon(self, function: Callable[[], None]) -> None:
        """Call *function* at the next safe point."""
        ...
