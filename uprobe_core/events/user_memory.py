"""The memory that a kernel reads for an argument: no address with a tag, as access_ok has it (policy=kernel).

A program may have pointers with a tag taken (PR_SET_TAGGED_ADDR_CTRL); a program that did is not
told from others here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from uprobe_core.types import Access, MemoryFault

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("USER_END", "seen_by_kernel")

T = TypeVar("T")

USER_END = 1 << 52
"""The end of a program's addresses (arm64, 52 bits: its last page is that of the slots)."""


class _UserMemory:
    """*memory* up to there."""

    __slots__ = ("_memory",)

    def __init__(self, memory: GuestMemory) -> None:
        self._memory = memory

    def read(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes; raises MemoryFault."""
        if address + size > USER_END:
            raise MemoryFault(address, Access.READ)
        return self._memory.read(address, size)


class _SeenByKernel:
    def __init__(self, hit: Any) -> None:
        self._hit = hit
        self.process = _UserMemory(hit.process)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hit, name)


def seen_by_kernel(hit: T) -> T:
    """*hit* (a :class:`.fetch_source.FetchSource`) with no more memory than a kernel reads."""
    return cast("T", _SeenByKernel(hit))
