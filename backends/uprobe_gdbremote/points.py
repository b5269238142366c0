"""The places of a program at which a stub stops it for us, each with those who want to be told.

One breakpoint of the stub's serves a trap, an inline probe, watches and our own
stops at one address.  A watch that was taken out leaves its breakpoint there
for a while: a function usually returns to the same place again, and two
exchanges with the stub are what a hit costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.errors import ProbeError
from uprobe_gdbremote.client import StubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from uprobe_core.types import Analysis
    from uprobe_gdbremote.client import Client

__all__ = ("SIZE", "Point", "Points")

SIZE = 4
"""Bytes of an instruction."""
_VAIN = 2
"""Stops in a row for nobody, after which a breakpoint that was left is taken out."""


@dataclass(eq=False, slots=True)
class Point:
    """One address.

    :param trap: the trap instruction of a probe in mode trap, b"" without one
    :param visible: whether the program is to see it
    :param inline: whether there is an inline probe
    :param watches: how many returns are watched for here
    :param ours: called when a task comes here, for what the backend itself wants to know
    :param kept: how many runs end here that nobody else is told of
    :param core: whether the core's trampoline is here, whose trap no system would tell the stub of
    :param inserted: whether the stub has a breakpoint here
    :param vain: stops in a row for nobody
    :param condition: what the stub is told with the breakpoint, so that it reports some hits only
    :param sent: the condition that it has
    :param hardware: whether it is one of the processor's: memory that cannot be written takes no other
    :param reports: hits that it reported while it had one
    :param analysis: of the instruction that lies there, once it was looked at; other code may lie there later
    """

    address: int
    trap: bytes = b""
    visible: bool = False
    inline: bool = False
    watches: int = 0
    ours: Callable[[], None] | None = None
    kept: int = 0
    core: bool = False
    inserted: bool = False
    vain: int = 0
    condition: bytes = b""
    sent: bytes = b""
    hardware: bool = False
    reports: int = 0
    analysis: Analysis | None = None

    @property
    def wanted_condition(self) -> bytes:
        """The condition that the stub is to have: none where somebody wants to know of every hit."""
        if self.watches or self.kept or self.core or self.ours is not None:
            return b""
        return self.condition

    @property
    def is_wanted(self) -> bool:
        """Whether anybody wants to be told."""
        return bool(
            self.trap or self.inline or self.watches or self.kept or self.core or self.ours is not None
        )


class Points:
    """The points of one address space.

    :param select: has the stub speak of it
    :ivar get: the point at an address, None without one (bound once, since every hit asks)
    """

    def __init__(self, client: Client, select: Callable[[], None] = lambda: None, size: int = SIZE) -> None:
        self._client, self._size, self._select = client, size, select
        self._points: dict[int, Point] = {}
        self._again = 0
        self.get = self._points.get
        self.conditional: set[int] = set()
        """Addresses of those that have a condition."""
        self.leaving: Callable[[Point], None] = lambda _point: None
        """Called with a point whose condition is about to go with it."""

    def make(self, address: int) -> Point:
        """The point at *address*, made and inserted if need be; raises ProbeError."""
        point = self._points.get(address)
        if point is None:
            point = self._points[address] = Point(address)
        try:
            self.insert(point)
        except StubError as error:
            if not point.is_wanted:
                del self._points[address]
            raise ProbeError(
                f"the target takes no breakpoint at {address:#x}: {error}", address=address
            ) from error
        return point

    def insert(self, point: Point) -> None:
        """Have the stub's breakpoint be there; raises StubError."""
        if not point.inserted:
            self._select()
            point.sent = point.wanted_condition
            self._put(point)
            point.inserted = True

    def _put(self, point: Point) -> None:
        """Insert it, as one of the processor's where its memory takes none: flash, say."""
        address, hardware = point.address, point.hardware
        try:
            self._client.insert(address, self._size, hardware=hardware, more=point.sent)
        except StubError:
            if hardware or point.sent or not self._client.read(address, self._size):
                raise
            self._client.insert(address, self._size, hardware=True)
            point.hardware = True

    def condition(self, point: Point, condition: bytes) -> None:
        """Give the stub another *condition* of *point*; raises StubError."""
        point.condition = condition
        (self.conditional.add if condition else self.conditional.discard)(point.address)
        self.follow(point)

    def follow(self, point: Point, *, every: bool = False) -> None:
        """Have the stub know the condition that *point* is to have now, or report *every* next hit."""
        wanted = b"" if every else point.wanted_condition
        if point.inserted and point.sent != wanted:
            self._select()
            self._client.insert(point.address, self._size, hardware=point.hardware, more=wanted)
            point.sent = wanted

    def arrived(self, point: Point) -> None:
        """The stub has reported a hit of *point*."""
        if point.condition:
            point.reports += bool(point.sent)
            self.follow(point)

    def go_on_at(self, address: int) -> None:
        """A thread goes on at *address*, where it stopped: a stub may step over what is there untold."""
        if address in self.conditional:
            self.follow(self._points[address], every=True)

    def lift(self, point: Point) -> None:
        """Take the stub's breakpoint out; *point* stays."""
        if point.inserted:
            self._select()
            try:
                self._client.remove(point.address, self._size, hardware=point.hardware)
            except StubError:
                if self._client.crowd is None:
                    raise
            point.inserted = False
            if self._client.crowd is not None or self._again:
                self._take_all(point)

    def _take_all(self, point: Point) -> None:
        """Take it out of threads that have it more than once."""
        for _ in range(self._again + 2):
            try:
                self._client.remove(point.address, self._size)
            except StubError:
                return

    def insert_again(self) -> None:
        """Have each breakpoint be in a thread that was made while it was inserted, as qemu-user's are."""
        self._again += 1
        for point in self._points.values():
            if point.inserted:
                self._client.insert(point.address, self._size)

    def release(self, point: Point) -> None:
        """Somebody does not want to be told any more: nobody may."""
        if not point.is_wanted:
            if point.condition:
                self.leaving(point)
            self._points.pop(point.address, None)
            self.lift(point)
        elif point.condition:
            self.follow(point)

    def in_vain(self, point: Point) -> None:
        """A task came to *point* and nobody wanted to know."""
        point.vain += 1
        if point.vain > _VAIN:
            self.release(point)

    def forget(self, start: int, end: int) -> None:
        """[start, end) lost its mapping, and its breakpoints with it."""
        for address in [each for each in self._points if start <= each < end]:
            point = self._points[address]
            if point.condition:
                self.leaving(point)
            del self._points[address]
            try:
                self.lift(point)
            except StubError:
                continue  # its memory is gone

    def take_over(self, other: Points) -> None:
        """Have what a fork has copied of *other*: all breakpoints but those that were lifted."""
        for address, point in other._points.items():
            copied = Point(address, point.trap, point.visible, point.inline, point.watches)
            copied.core, copied.hardware, copied.inserted = point.core, point.hardware, point.inserted
            copied.analysis = point.analysis
            self._points[address] = copied

    def report(self, decided: Iterable[int]) -> None:
        """Have all breakpoints in, and every hit reported at those of which the stub has *decided* so far."""
        self._select()
        for address in decided:
            self._client.insert(address, self._size)
        for point in self._points.values():
            self.insert(point)

    def all(self) -> list[Point]:
        """Every point."""
        return list(self._points.values())
