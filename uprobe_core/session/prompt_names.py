"""What the prompt of ``--repl`` has for looking at the program, beside its hit and the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, Task
    from uprobe_core.frame import Frame
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.session.stacks import RunStacks
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("PromptNames",)


class _Looked(Protocol):
    """What of a session is used here."""

    setup: RunSetup
    events: EventSet
    stacks: RunStacks


class PromptNames:
    """Functions over the program of *machine* as it stands."""

    def __init__(self, session: _Looked, machine: Machine) -> None:
        self._session, self._machine = session, machine

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """By the names that they have at the prompt."""
        return {
            "mem": self.mem,
            "poke": self.poke,
            "stack": self.stack,
            "addr": self.addr,
            "name": self.name,
        }

    def task(self) -> Task:
        """The thread that the run stands still with."""
        task = self._machine.current
        assert task is not None
        return task

    def mem(self, address: int, size: int = 16) -> bytes:
        """*size* bytes at *address*; raises MemoryFault."""
        return self.task().process.read(address, size)

    def poke(self, address: int, data: bytes) -> None:
        """Store *data* at *address*, whatever the program's permissions are; raises MemoryFault."""
        self.task().process.poke(address, data)

    def stack(self, depth: int = 64) -> tuple[Frame, ...]:
        """The frames, innermost first."""
        return self._session.stacks.stack(self.task(), depth)

    def name(self, address: int) -> str:
        """``symbol+0x8`` of an address, "" if nothing is mapped there."""
        self.stack(1)  # so that the program's files are known
        return self._session.stacks.name_of(address)

    def addr(self, place: str) -> int:
        """The address of ``NAME[+OFF]`` of the program or ``PATH:NAME``; raises UsageError, SpecError."""
        where = place if ":" in place else f"{self._session.setup.argv[0]}:{place}"
        command, *_ = self._session.events.table.language.parse(f"p:prompt/here {where}")
        offset, path = command.offset, command.path  # type: ignore[union-attr]
        for mapping in self.task().process.mappings():
            address = mapping.address_of(offset)
            if address is not None and mapping.executable and _same(mapping.path, path):
                return address
        raise UsageError(f"{where} is not mapped now")


def _same(mapped: str, path: str) -> bool:
    return mapped.rpartition("/")[2] == path.rpartition("/")[2]
