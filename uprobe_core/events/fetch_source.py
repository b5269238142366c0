"""What a fetch program reads: registers and memory of the task at a hit, and what is known of its call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.types import GuestMemory, RegisterFile

__all__ = ("FetchSource",)


class FetchSource(Protocol):
    """What a fetch program reads; :class:`uprobe_core.consumer.Hit` is one.

    :ivar address: the probed address; for a return, the function's
    :ivar probe_offset: file offset of the probed instruction, bytes
    :ivar entry_values: what the event's entry_args gave when the function was entered
    :ivar latency_ns: nanoseconds since then
    :ivar insns: instructions that the task has executed since then
    :ivar jumps: see OpCode.JUMPS
    """

    address: int
    probe_offset: int
    jumps: int

    @property
    def registers(self) -> Registers:
        """Which register is which, and how wide they are."""
        ...

    @property
    def task(self) -> RegisterFile:
        """The registers."""
        ...

    @property
    def process(self) -> GuestMemory:
        """The memory."""
        ...

    @property
    def comm(self) -> str:
        """The task's name now."""
        ...

    @property
    def entry_values(self) -> Sequence[Any]:
        """Captured at entry; empty at an entry."""
        ...

    @property
    def latency_ns(self) -> int:
        """Time since entry; 0 at an entry."""
        ...

    @property
    def insns(self) -> int:
        """Executed since entry; 0 at an entry."""
        ...
