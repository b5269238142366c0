"""One moment of a run, to look at: what gdb and the prompt ask is answered here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.debugging import aarch64
from uprobe_core.errors import UsageError
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, Process, Task
    from uprobe_core.pauses import Pauses, Position

__all__ = ("View",)

_PAGE = 4096


class _Registers:
    """Those of one task."""

    def __init__(self, pauses: Pauses, task: Task) -> None:
        self._pauses, self._task = pauses, task

    def get(self, kind: str, index: int) -> int:
        """See RegisterSource."""
        if kind == "x":
            return self._task.get_reg(index)
        return self._task.get_vec(index) if kind == "v" else self._pauses.get_system(self._task, kind)

    def set(self, kind: str, index: int, value: int) -> None:
        """See RegisterSource."""
        if kind == "x":
            self._task.set_reg(index, value)
        elif kind == "v":
            self._task.set_vec(index, value)
        else:
            self._pauses.set_system(self._task, kind, value)


class View:
    """The moment that *machine* stands still in.

    Everything that is asked for and answered is plain data, so that it can be asked of another process.
    """

    def __init__(self, machine: Machine, pauses: Pauses) -> None:
        self._machine, self._pauses = machine, pauses

    @property
    def _process(self) -> Process:
        task = self._machine.current
        assert task is not None
        return task.process

    def _task(self, tid: int) -> Task:
        for task in self._pauses.tasks(self._process):
            if task.tid == tid:
                return task
        raise UsageError(f"no thread has the number {tid}", slug="no-thread")

    def position(self) -> Position:
        """Where the run is."""
        return self._pauses.position()

    def process(self) -> tuple[int, str, bytes]:
        """Its pid, the path of its program as it names it, its auxiliary vector."""
        process = self._process
        return process.pid, self._pauses.executable(process), self._pauses.auxv(process)

    def command_line(self) -> bytes:
        """The arguments that it was started with, each with a NUL behind it."""
        return self._pauses.command_line(self._process)

    def threads(self) -> list[tuple[int, str]]:
        """The number and name of each thread, that which runs first."""
        current = self._machine.current
        tasks = sorted(self._pauses.tasks(self._process), key=lambda task: task is not current)
        return [(task.tid, task.comm) for task in tasks]

    def register(self, tid: int, number: int) -> bytes:
        """The thread's register with gdb's *number*; IndexError if there is none."""
        return aarch64.pack(_Registers(self._pauses, self._task(tid)), number)

    def registers(self, tid: int) -> bytes:
        """All of them, one behind the other."""
        source = _Registers(self._pauses, self._task(tid))
        return b"".join(aarch64.pack(source, number) for number in range(len(aarch64.REGISTERS)))

    def set_register(self, tid: int, number: int, data: bytes) -> None:
        """Write one."""
        aarch64.unpack(_Registers(self._pauses, self._task(tid)), number, data)

    def set_registers(self, tid: int, data: bytes) -> None:
        """Write those that differ from what is there: *data* as :meth:`registers` gives it."""
        at, source = 0, _Registers(self._pauses, self._task(tid))
        for number, (_kind, _index, size) in enumerate(aarch64.REGISTERS):
            part = data[at : at + size]
            if len(part) == size and part != aarch64.pack(source, number):
                aarch64.unpack(source, number, part)
            at += size

    def read(self, address: int, size: int) -> bytes:
        """What the program sees at *address*: *size* bytes, or fewer if memory ends; MemoryFault."""
        process, found = self._process, b""
        try:
            return process.read(address, size)
        except MemoryFault:
            while len(found) < size:
                at = address + len(found)
                piece = min(size - len(found), _PAGE - at % _PAGE)
                try:
                    found += process.read(at, piece)
                except MemoryFault:
                    if not found:
                        raise
                    break
        return found

    def write(self, address: int, data: bytes) -> None:
        """Store, whatever the program's permissions are; MemoryFault."""
        self._process.poke(address, data)

    def signal_info(self) -> bytes:
        """Of the signal that the run stands before, b"": it stands before none."""
        return self._pauses.signal_info()

    def mappings(self) -> list[tuple[int, int, str, int, str]]:
        """Start, end, permissions as in /proc/PID/maps, offset and path of each mapping."""
        found = []
        for each in self._process.mappings():
            flags = "".join(letter if on else "-" for letter, on in _permissions(each))
            path = each.path or ""
            found.append((each.start, each.end, flags, each.offset, path))
        return found

    def call(self, method: str, *arguments: Any) -> Any:
        """One of the methods above, by name."""
        function: Callable[..., Any] = getattr(self, method)
        return function(*arguments)


def _permissions(mapping: Any) -> tuple[tuple[str, bool], ...]:
    return (("r", mapping.readable), ("w", mapping.writable), ("x", mapping.executable), ("p", True))
