"""System calls that the program makes, from a stub that stops it at them (``QCatchSyscalls``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_core.system_call_numbers import NAMES, NUMBERS

if TYPE_CHECKING:
    from uprobe_core.target import CallWatcher
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.process import RemoteProcess
    from uprobe_gdbremote.stops import Stop
    from uprobe_gdbremote.task import RemoteTask

__all__ = ("CaughtCalls", "is_at_call")

_Call = tuple[str, tuple[int, ...]]
"""Name and arguments."""
_SIDES = ("syscall_entry", "syscall_return")
_SIDE = 7
"""The register that tells them apart."""
_ARGUMENTS = 6
_RESTARTS = frozenset({512, 513, 514, 516})
"""Answers that a program never sees (include/linux/errno.h): a signal, or a stop of ours, came between."""
_GOES_ELSEWHERE = frozenset({"execve", "execveat", "rt_sigreturn"})
"""Calls that do not come back to where they were made, if they succeed."""


def is_at_call(stop: Stop) -> bool:
    """Whether *stop* is at a system call."""
    return not stop.reasons.keys().isdisjoint(_SIDES)


class CaughtCalls:
    """Tells *watchers* of system calls; raises BackendError where the stub does not stop at them.

    A kernel says in x7 on which side of the call a program stops (PTRACE_SYSCALL_ENTER, _EXIT in
    arch/arm64/kernel/ptrace.c); gdbserver takes one for the other when the program has just been executed.

    :param only: names of the calls that they want to know of, all if it is empty
    :param is_qemu: whether the stub is QEMU's, which stops before the result is there (do_syscall)
    :ivar count: how many were made
    """

    def __init__(
        self, client: Client, watchers: Sequence[CallWatcher], only: Iterable[str] = (), *, is_qemu: bool
    ) -> None:
        self._client, self._watchers = client, watchers
        self._catch = b";".join((b"QCatchSyscalls:1", *sorted(b"%x" % NUMBERS[name] for name in only)))
        self._made: dict[RemoteTask, _Call] = {}
        self._again: dict[RemoteTask, tuple[int, _Call]] = {}
        """Calls that the kernel may make once more, with its answer so far."""
        self.count = 0
        if is_qemu or not client.has("QCatchSyscalls") or not client.knows(self._catch):
            raise BackendError(
                f"{client.channel.where} does not tell of system calls and their results",
                hint="leave -S, events s:NAME and mappings=all out, or use gdbserver or backend unicorn",
                slug="backend-lacks",
            )

    def begin(self, process: RemoteProcess) -> None:
        """*process* is a new one, also if its memory is its parent's."""
        self._client.select_process(process.pid)
        self._client.knows(self._catch)

    def take(self, task: RemoteTask, stop: Stop) -> None:
        """*task* makes a call, or has got its answer."""
        number = next(stop.reasons[side] for side in _SIDES if side in stop.reasons)
        if task.get_reg(_SIDE) == 0:
            self._called(task, int(number, 16))
        else:
            self._answered(task)

    def _called(self, task: RemoteTask, number: int) -> None:
        name = NAMES.get(number, str(number))
        arguments = tuple(task.get_reg(index) for index in range(_ARGUMENTS))
        before = self._again.pop(task, None)
        if before is not None:
            result, made = before
            if made == (name, arguments) or name == "restart_syscall":
                self._made[task] = made
                return
            self._tell(task, made, result)
        self._made[task] = name, arguments
        self.count += 1
        for watcher in self._watchers:
            watcher.called(task, name, arguments)

    def _answered(self, task: RemoteTask) -> None:
        made = self._made.pop(task, None)
        if made is None:  # it was under way when the run began
            return
        name = made[0]
        value = task.get_reg(0)
        result: int | None = value - (1 << 64) if value >> 63 else value
        if result is not None and -result in _RESTARTS:
            self._again[task] = result, made
            return
        if name in _GOES_ELSEWHERE and (name == "rt_sigreturn" or result == 0):
            result = None
        self._tell(task, made, result)

    def _tell(self, task: RemoteTask, made: _Call, result: int | None) -> None:
        for watcher in self._watchers:
            watcher.answered(task, *made, result)
