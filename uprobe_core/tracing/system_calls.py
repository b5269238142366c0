"""System calls as events: ``s:openat``, ``s:open*``; a hit each when the call is answered.

The arguments are fetched when the call is made, as its manual page has them, and behind
them stand ``rv`` (the kernel's result), ``error`` (its name, "" if there is none) and
``took`` (nanoseconds, those in which it waited included).
"""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.consumer import Frame, Hit
from uprobe_core.event_model import EventSpec
from uprobe_core.events.arguments import parse_arguments
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch, run_fetch
from uprobe_core.events.hints import nearest
from uprobe_core.events.line import EventLine as Words
from uprobe_core.events.variables import Variables

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Task
    from uprobe_core.events.parse import Language
    from uprobe_core.tracing.event import EventProbe

__all__ = ("GROUP", "KIND", "SystemCalls", "system_call_specs")

KIND = "s"
"""Of an :class:`~uprobe_core.event_model.EventSpec` that is a system call."""
GROUP = "s"
_LIBRARY = "linux"
"""Whose prototypes these are."""
_RESULTS = ('error=\\"":string', "took=\\0:u64")
_LAST = frozenset({"exit", "exit_group"})
"""Calls that nobody sees an answer of."""
_MAX_ERRNO = 4095


def system_call_specs(pattern: str, language: Language) -> list[EventSpec]:
    """The events of the system calls that match *pattern*; raises SpecError if there is none."""
    from uprobe_core.image.signatures import functions_of

    names = [name for name in functions_of(_LIBRARY) if fnmatch.fnmatchcase(name, pattern)]
    if not names:
        hint = nearest(pattern, functions_of(_LIBRARY)) or "names are those of the manual, section 2"
        raise Words.split(f"s:{pattern}").refusal(f"s:{pattern} is no system call", hint=hint)
    return [_spec(name, language) for name in names]


def _spec(name: str, language: Language) -> EventSpec:
    from uprobe_core.image.signatures import signature_of

    known = signature_of(_LIBRARY, name)
    assert known is not None
    variables = Variables(registers=language.registers, extended=True, vectors=language.vectors)
    gives = (known.gives or "rv=$retval:s64").replace("$retval", "\\0")
    line = Words(("s", name, *known.arguments, gives, *_RESULTS))
    args, _ = parse_arguments(line, variables)
    return EventSpec(KIND, GROUP, name, "", 0, 0, args, f"s:{name}", location=name)


class _CallHit(Hit):
    """A system call that was answered.  It is its own return: consumers of either kind are told."""

    __slots__ = ("_took",)

    def __init__(self, task: Task, registers: Registers, values: tuple[Any, ...], took: int) -> None:
        super().__init__(task, task.get_reg(registers.pc), 0, registers)
        self._values = values
        self._took = took

    @property
    def latency_ns(self) -> int:
        """Nanoseconds from the call to its answer."""
        return self._took

    @property
    def own_ns(self) -> int:
        """The same."""
        return self._took

    def around(self) -> tuple[tuple[str, ...], ...]:
        """The functions that it was made in, which are not known here: a graph leaves it out."""
        return ((),)


class SystemCalls:
    """Told of each system call of a run; makes hits of those that have an event.

    :param find: the location of an event by its full name, None if there is none
    :param unwind: frames of a task's stack
    """

    def __init__(
        self,
        find: Callable[[str], EventProbe | None],
        registers: Registers,
        unwind: Callable[[Task, int], tuple[Frame, ...]],
    ) -> None:
        self._find, self._registers, self._unwind = find, registers, unwind
        self._programs: dict[EventSpec, FetchProgram] = {}
        self._made: dict[tuple[int, int], tuple[int, tuple[Any, ...]]] = {}
        """By process and task: when the call was made, and its arguments."""

    def called(self, task: Task, name: str, arguments: tuple[int, ...]) -> None:
        """*task* makes a call."""
        probe = self._find(f"{GROUP}/{name}")
        if probe is None or not probe.event.enabled:
            return
        program = self._programs.get(probe.spec)
        if program is None:
            program = self._programs[probe.spec] = compile_fetch(probe.spec.args[: -1 - len(_RESULTS)])
        source = Hit(task, task.get_reg(self._registers.pc), 0, self._registers)
        self._made[task.process.pid, task.tid] = task.clock(), run_fetch(program, source)
        if name in _LAST:
            self.answered(task, name, arguments, None)

    def answered(self, task: Task, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """It has got its *result*, None: the call went on elsewhere (execve, rt_sigreturn)."""
        made = self._made.pop((task.process.pid, task.tid), None)
        probe = self._find(f"{GROUP}/{name}")
        if made is None or probe is None or not probe.event.enabled:
            return
        began, values = made
        now = task.clock()
        took = max(now - began, 0)
        failed = result is not None and -_MAX_ERRNO <= result < 0
        error = errno.errorcode.get(-(result or 0), str(result)) if failed else ""
        hit = _CallHit(task, self._registers, (*values, result or 0, error, took), took)
        hit.unwind, hit._time = self._unwind, now
        _deliver(probe, hit)


def _deliver(probe: EventProbe, hit: Hit) -> None:
    event: Any = probe.event
    probe.tally("hits")
    vote, state = event.entered(hit)
    if state is not None and not vote:
        probe.tally("entries")
        probe.tally("returns")
        event.returned(hit, state)
