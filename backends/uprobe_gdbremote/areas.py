"""Memory of the program that is ours: room for displaced instructions, near where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from uprobe_core.errors import BackendError

if TYPE_CHECKING:
    from uprobe_core.types import Mapping
    from uprobe_gdbremote.client import Client

__all__ = ("REACH", "Area", "Areas", "Mapper")

REACH = 1 << 27
"""A branch goes so far, in bytes, either way (B, Arm ARM C6.2.26)."""
AREA_BYTES = 1 << 14
PAGE = 1 << 12
_AWAY = 1 << 26
"""From a place to where room for it is asked for, so that what grows there keeps growing."""
_LOWEST = 1 << 16
"""Nothing may be mapped below that (vm.mmap_min_addr)."""


class Mapper(Protocol):
    """What makes memory in the program, and opens it."""

    @property
    def can_map(self) -> bool:
        """Whether the program has a system call instruction, which bare metal has not."""
        ...

    def map_code(self, hint: int, size: int) -> int:
        """Map *size* bytes at *hint* or elsewhere, with all permissions; raises BackendError."""
        ...

    def open_code(self, address: int, size: int) -> None:
        """Have a stub let us write what :meth:`map_code` made; some refuse pages that were executed."""
        ...


class Area:
    """[base, base + size) of the program's memory, whose content we know because nobody else writes it."""

    def __init__(self, client: Client, mapper: Mapper, base: int, size: int) -> None:
        self._client, self._mapper = client, mapper
        self.base, self.size = base, size
        self._next = base
        self._content = bytearray(size)

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether [address, address + size) is in it."""
        return self.base <= address and address + size <= self.base + self.size

    def reaches(self, address: int) -> bool:
        """Whether a branch from anywhere in it gets to *address* and back."""
        return max(abs(address - self.base), abs(address - self.base - self.size)) < REACH - 64

    def take(self, size: int, align: int = 1) -> int | None:
        """The address of *size* bytes that nobody has, None if there is no room."""
        address = (self._next + align - 1) & -align
        if not self.holds(address, size):
            return None
        self._next = address + size
        return address

    def read(self, address: int, size: int) -> bytes:
        """What is there."""
        return bytes(self._content[address - self.base : address - self.base + size])

    def write(self, address: int, data: bytes) -> None:
        """Store *data*; raises BackendError."""
        if not self._client.write(address, data):
            self._mapper.open_code(self.base, self.size)
            if not self._client.write(address, data):
                raise BackendError(f"the target does not let us write {address:#x}, which is ours")
        self._content[address - self.base : address - self.base + len(data)] = data


class Areas:
    """All areas of one address space.

    :param scratch: memory that the user named, used instead of any other
    """

    def __init__(self, client: Client, mapper: Mapper, scratch: tuple[int, int] | None = None) -> None:
        self._client, self._mapper = client, mapper
        self._areas = [Area(client, mapper, *scratch)] if scratch else []
        self.scratch, self._fixed = scratch, scratch is not None
        self.apart = False
        """Whether what is taken is not to share a page: a page of which something ran may not be writable."""
        self.bytes = AREA_BYTES
        self._hopeless: set[int] = set()

    def of(self, address: int, size: int = 1) -> Area | None:
        """The area that holds [address, address + size)."""
        return next((area for area in self._areas if area.holds(address, size)), None)

    def all(self) -> list[Area]:
        """Every area that was made, not the user's."""
        return [] if self._fixed else list(self._areas)

    def take_over(self, other: Areas) -> None:
        """Have what a fork has copied of *other*."""
        for area in other._areas:
            copied = Area(self._client, self._mapper, area.base, area.size)
            copied._next, copied._content = area._next, bytearray(area._content)
            self._areas.append(copied)
        self.scratch, self._fixed, self.bytes = other.scratch, other._fixed, other.bytes

    def near(self, address: int, size: int, mappings: Iterable[Mapping]) -> tuple[Area, int] | None:
        """Room for *size* bytes that a branch reaches from *address*: its area and its address there.

        None if there is none, and none can be made.
        """
        align = PAGE if self.apart else 1
        for area in self._areas:
            place = area.take(size, align) if area.reaches(address) else None
            if place is not None:
                return area, place
        neighbourhood = address // REACH
        if self._fixed or neighbourhood in self._hopeless or not self._mapper.can_map:
            return None
        made = self._make(address, list(mappings))
        place = made.take(size) if made is not None else None
        if made is None or place is None:
            self._hopeless.add(neighbourhood)
            return None
        return made, place

    def anywhere(self, size: int, mappings: Iterable[Mapping]) -> tuple[Area, int]:
        """Room for *size* bytes; raises BackendError."""
        known = list(mappings)
        start = known[0].start if known else _AWAY
        found = self.near(start, size, known)
        if found is None:
            raise BackendError(
                "there is no room for displaced instructions in the program's memory",
                hint="name a free part of it: --target ...,scratch=ADDRESS+SIZE",
            )
        return found

    def _make(self, address: int, mappings: list[Mapping]) -> Area | None:
        """A new area that a branch reaches from *address*; one that is too far is kept for others."""
        low = min((m.start for m in mappings if abs(m.start - address) < REACH), default=address)
        high = max((m.end for m in mappings if abs(m.end - address) < REACH), default=address)
        for hint in (low - 2 * self.bytes, low - _AWAY, high + _AWAY):
            if hint < _LOWEST:
                continue
            base = self._mapper.map_code(hint & -PAGE, self.bytes)
            area = Area(self._client, self._mapper, base, self.bytes)
            self._areas.append(area)
            if area.reaches(address):
                return area
        return None
