"""What gdb wants the program to stop for, as it is given to the run and to each copy that runs again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from uprobe_core.debugging.agent import AgentError, evaluate
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.debugging.agent import Moment

__all__ = ("NOTHING", "Conditions", "Ranges", "Wanted", "conditions_of")

Ranges = frozenset[tuple[int, int]]
"""[start, end) of what is watched."""
Conditions = tuple[bytes, ...]
"""Agent expressions, of which one is to hold; none: always."""


class Wanted(NamedTuple):
    """Where to stop.

    :param breakpoints: by address, on which conditions
    :param watched: stores to these
    :param calls: numbers of system calls, None: all
    """

    breakpoints: Mapping[int, Conditions]
    watched: Ranges
    calls: frozenset[int] | None

    def is_hit(self, moment: Moment, tid: int, address: int) -> bool:
        """Whether thread *tid*, which is at *address*, is to stop there for a breakpoint.

        A condition that cannot be evaluated stops: gdb evaluates it once more, and tells its user why.
        """
        conditions = self.breakpoints.get(address)
        if not conditions:
            return conditions is not None
        try:
            return any(evaluate(code, moment, tid) for code in conditions)
        except (AgentError, MemoryFault, IndexError):
            return True

    def has_call(self, number: int) -> bool:
        """Whether system call *number* stops."""
        return self.calls is None or number in self.calls


NOTHING = Wanted({}, frozenset(), frozenset())


def conditions_of(parts: list[bytes]) -> Conditions:
    """What follows a breakpoint in its packet: ``Xlen,code`` once or several times.  Raises ValueError."""
    found = []
    for part in parts:
        left = part
        while left:
            size, mark, rest = left[1:].partition(b",")
            length = 2 * int(size, 16)
            if left[:1] != b"X" or not mark or len(rest) < length:
                raise ValueError("no condition")
            found.append(bytes.fromhex(rest[:length].decode()))
            left = rest[length:]
    return tuple(found)
