"""A probe handler for tests of backends: it writes down what it is told, and does what a test scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uprobe_core.backend import Process, Task
from uprobe_core.testing.tiny_elf import ANALYZE, ARCH
from uprobe_core.types import Analysis, Fault, Mapping, Policy, TrapResult

__all__ = ("ScriptedHandler",)

PC = ARCH.registers.pc


class ScriptedHandler:
    """A :class:`~uprobe_core.backend.ProbeHandler`.

    :ivar on: what a test does at a callback, by name; it gets the callback's arguments
    :ivar log: (name, PC or address) of every trap, inline hit, watch, step and fault
    """

    def __init__(self) -> None:
        self.on: dict[str, Callable[..., Any]] = {}
        self.log: list[tuple[str, int]] = []
        self.mapped: list[tuple[Process, Mapping]] = []
        self.exited: list[int] = []
        self.written: list[tuple[int, int]] = []
        self.saw: list[Any] = []

    def _do(self, name: str, default: Any, *arguments: Any) -> Any:
        action = self.on.get(name)
        return default if action is None else action(*arguments)

    def addresses(self, name: str) -> list[int]:
        """Where callback *name* happened, in order."""
        return [address for kind, address in self.log if kind == name]

    def on_trap(self, task: Task, address: int) -> TrapResult | Fault:
        """Logged; NOT_OURS unless scripted."""
        self.log.append(("trap", address))
        answer: TrapResult | Fault = self._do("trap", TrapResult.NOT_OURS, task, address)
        return answer

    def analyze(self, insn: bytes, address: int) -> Analysis:
        """What the architecture says."""
        return ANALYZE(insn, address, Policy())

    def on_inline(self, task: Task, address: int) -> None:
        """Logged."""
        self.log.append(("inline", address))
        self._do("inline", None, task, address)

    def on_watch(self, task: Task, address: int) -> None:
        """Logged."""
        self.log.append(("watch", address))
        self._do("watch", None, task, address)

    def on_step_done(self, task: Task) -> None:
        """Logged with the PC."""
        self.log.append(("step", task.get_reg(PC)))
        task.single_step(False)
        self._do("step", None, task)

    def on_step_fault(self, task: Task, fault: Fault) -> Fault | None:
        """Logged with the data address; the fault itself unless scripted."""
        self.log.append(("fault", fault.address))
        task.single_step(False)
        answer: Fault | None = self._do("fault", fault, task, fault)
        return answer

    def may_deliver_signal(self, task: Task) -> bool:
        """True unless scripted."""
        may: bool = self._do("may", True, task)
        return may

    def on_mmap(self, process: Process, mapping: Mapping) -> None:
        """Remembered."""
        self.mapped.append((process, mapping))
        self._do("mmap", None, process, mapping)

    def on_idle(self) -> None:
        """Nothing."""

    def on_munmap(self, process: Process, start: int, end: int) -> None:
        """Nothing unless scripted."""
        self._do("munmap", None, process, start, end)

    def on_code_written(self, process: Process, start: int, end: int) -> None:
        """Remembered."""
        self.written.append((start, end))

    def on_task(self, parent: Task, task: Task) -> None:
        """Nothing unless scripted."""
        self._do("task", None, parent, task)

    def on_fork(self, parent: Task, child: Task, *, shares_memory: bool) -> None:
        """Nothing unless scripted."""
        action = self.on.get("fork")
        if action is not None:
            action(parent, child, shares_memory=shares_memory)

    def on_exec(self, task: Task) -> None:
        """Nothing unless scripted."""
        self._do("exec", None, task)

    def on_killed(self, task: Task, signal: int) -> None:
        """Nothing."""

    def on_exit(self, task: Task) -> None:
        """Remembered."""
        self.exited.append(task.tid)
        self._do("exit", None, task)

    def on_gone(self, process: Process) -> None:
        """Nothing."""

    def on_end(self) -> None:
        """Nothing."""
