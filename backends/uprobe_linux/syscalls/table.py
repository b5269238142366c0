"""How a system call is found, called and answered.

A handler is ``def sys_x(task, a0, ...) -> int`` with unsigned 64-bit arguments,
registered by ``@syscall("x")``.  It answers with its result, or raises:

- ``OSError(errno.X)``: the guest gets -X (so errors of host calls pass through);
- ``MemoryFault``: -EFAULT;
- ``Block(wait)``: nothing yet; the task sleeps and the handler is called again;
- ``NoReturn``: the registers are already right (execve, exit, rt_sigreturn).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TypeVar

from uprobe_core.late_imports import have_ready
from uprobe_core.system_call_numbers import NAMES, NUMBERS
from uprobe_linux.calls import REFUSALS, Syscall, Wait, refusal
from uprobe_linux.kernel import Task
from uprobe_linux.syscalls.doors import door_of
from uprobe_linux.syscalls.ordering import LOCAL, TOUCHES
from uprobe_linux.syscalls.subjects import COMMON, MODULES

__all__ = ("RESTART", "Block", "NoReturn", "Table", "before_fork", "call", "load", "s32", "s64", "syscall")

RESTART = 512
"""ERESTARTSYS: never seen by the guest; signal delivery makes EINTR or a restart of it."""

Handler = Callable[..., int]
F = TypeVar("F", bound=Handler)
_registered: dict[str, Syscall] = {}


class Block(Exception):  # noqa: N818 - not an error
    """The call cannot be answered yet; the handler is called again after *wait* (task.wait then)."""

    def __init__(self, wait: Wait) -> None:
        super().__init__()
        self.wait = wait


class NoReturn(Exception):  # noqa: N818 - not an error
    """The handler has set the registers; there is no result to store."""


def syscall(*names: str) -> Callable[[F], F]:
    """Register the decorated function as the handler of the named system calls."""

    def register(function: F) -> F:
        count = function.__code__.co_argcount - 1
        for name in names:
            if name not in NUMBERS:
                raise KeyError(f"no arm64 system call is called {name}")
            ordered, touched = name not in LOCAL, TOUCHES.get(name)
            _registered[name] = Syscall(name, function, count, ordered, touched, door_of(name).checks)
        return function

    return register


class Table:
    """The handlers by number; the module of one is imported with the first of its calls."""

    def __init__(self) -> None:
        self._by_number: dict[int, Syscall] = {}

    def get(self, number: int) -> Syscall | None:
        """The handler of system call *number*; None: there is none."""
        found = self._by_number.get(number)
        return found if found is not None else self._first(number)

    def _first(self, number: int) -> Syscall | None:
        name = NAMES.get(number, "")
        if name in MODULES:
            import_module(MODULES[name])
        found = _registered.get(name)
        if found is not None:
            self._by_number[number] = found
        return found

    def whole(self) -> dict[int, Syscall]:
        """All handlers, with every module imported."""
        for name in MODULES:
            self.get(NUMBERS[name])
        return self._by_number


def load() -> None:
    """Have what most programs need ready to be imported."""
    have_ready(COMMON)


@cache
def before_fork() -> None:
    """Import what most programs need, once: each child would do it for itself."""
    for module in COMMON:
        import_module(module)


def call(entry: Syscall, task: Task, arguments: tuple[int, ...]) -> int:
    """Call the handler and fold errors into the kernel's negative results; passes Block and NoReturn on."""
    for check in entry.checks:
        if check.refuses(arguments):
            return -(errno.EBADF if _is_closed(task, check.after, arguments) else check.refusal)
    try:
        return entry.handler(task, *arguments[: entry.arguments])
    except REFUSALS as error:
        return refusal(error)


def _is_closed(task: Task, argument: int | None, arguments: tuple[int, ...]) -> bool:
    """Whether that argument is a descriptor that stands for nothing."""
    return argument is not None and s32(arguments[argument]) not in task.process.files


def name_of(number: int) -> str:
    """The name of system call *number*, or the number as text."""
    return NAMES.get(number, str(number))


def s32(value: int) -> int:
    """The low 32 bits of an argument as a signed int (file descriptors, pids, flags)."""
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


def s64(value: int) -> int:
    """A 64-bit argument as signed (offsets)."""
    return ((value & 0xFFFF_FFFF_FFFF_FFFF) ^ (1 << 63)) - (1 << 63)
