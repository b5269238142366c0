"""System calls as events: ``s:openat``, ``s:open*``; a hit each when the call is answered.

The arguments are fetched when the call is made, as its manual page has them, and behind
them stand ``rv`` (the kernel's result), ``error`` (its name, "" if there is none) and
``took`` (nanoseconds, those in which it waited included).  What a pointer points to is text
(see :mod:`.pointed`), made only where somebody looks at values.
"""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from uprobe_core.consumer import Frame, Hit
from uprobe_core.event_model import EventSpec, FetchArg, FetchType, Value
from uprobe_core.events.arguments import parse_arguments
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch, run_fetch
from uprobe_core.events.hints import nearest
from uprobe_core.events.line import EventLine as Words
from uprobe_core.events.variables import Variables
from uprobe_core.tracing.pointed import Pointed, pointed_arguments
from uprobe_core.tracing.pointed_text import address_text

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Process, Task
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
_TEXT = FetchType("shape", 0, "shape")


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
    shown = list(args)
    for each in _pointed(name, args):
        shown[each.at] = _as_text(args[each.at], each.kind)
    return EventSpec(KIND, GROUP, name, "", 0, 0, tuple(shown), f"s:{name}", location=name)


def _pointed(name: str, args: Sequence[FetchArg]) -> list[Pointed]:
    from uprobe_core.image.signatures import signature_of

    known = signature_of(_LIBRARY, name)
    assert known is not None
    return list(pointed_arguments(name, known.types, [arg.name for arg in args[: len(known.types)]]))


def _as_text(arg: FetchArg, kind: str) -> FetchArg:
    """*arg*, an address, as the text of what is there; before a call is made that is its C type."""
    return replace(arg, type=_TEXT, ops=(), parts=(arg,), shape=partial(_shape, kind))


def _shape(kind: str, values: Sequence[Value]) -> Value:
    return str(values[0]) if values else kind


class _Plan:
    """How the arguments of one event are fetched.

    :ivar program: the numbers and the strings
    :ivar pointed: of what is shown instead of a number
    :ivar names: of those arguments
    """

    def __init__(self, spec: EventSpec) -> None:
        args = spec.args[: -1 - len(_RESULTS)]
        self.program: FetchProgram = compile_fetch([arg.parts[0] if arg.parts else arg for arg in args])
        self.pointed = _pointed(spec.name, args)
        self.names = frozenset(args[each.at].name for each in self.pointed)


def _is_read(event: Any, names: frozenset[str]) -> bool:
    """Whether anything that is done with a hit may look at one of the arguments *names*."""
    if event.filter is not None or event.triggers is not None:
        return True
    for sink in event.sinks:
        only = getattr(sink, "reads_only", None)
        if getattr(sink, "reads_values", True) and (only is None or not names.isdisjoint(only)):
            return True
    return False


class _Made:
    """A call that is under way.

    :ivar time: when it was made
    :ivar kept: what is kept of what its arguments point to; None: nobody looks
    """

    __slots__ = ("kept", "plan", "time", "values")

    def __init__(self, plan: _Plan, time: int, values: tuple[Any, ...], memory: Process | None) -> None:
        self.plan, self.time, self.values = plan, time, values
        self.kept = None if memory is None else [each.before(memory, values) for each in plan.pointed]

    def texts(self, memory: Process, result: int) -> tuple[Any, ...]:
        """The values at its answer."""
        values, kept = list(self.values), self.kept
        for number, each in enumerate(self.plan.pointed):
            values[each.at] = (
                address_text(values[each.at])
                if kept is None
                else each.text(memory, self.values, result, kept[number])
            )
        return tuple(values)


class _CallHit(Hit):
    """A system call that was answered.  It is its own return: consumers of either kind are told."""

    __slots__ = ("_made", "_results")

    def __init__(
        self, task: Task, registers: Registers, made: _Made, results: tuple[int | None, str, int]
    ) -> None:
        super().__init__(task, task.get_reg(registers.pc), 0, registers)
        self._made, self._results = made, results

    @property
    def values(self) -> tuple[Any, ...]:
        """Arguments and results; what the kernel has put into memory is read on first use."""
        if self._values is None:
            result, error, took = self._results
            arguments = self._made.texts(self.task.process, result or 0)
            self._values = (*arguments, result or 0, error, took)
        return self._values

    @property
    def latency_ns(self) -> int:
        """Nanoseconds from the call to its answer."""
        return self._results[-1]

    @property
    def own_ns(self) -> int:
        """The same."""
        return self._results[-1]

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
        self._plans: dict[str, _Plan] = {}
        self._made: dict[tuple[int, int], _Made] = {}
        """By process and task."""

    def called(self, task: Task, name: str, arguments: tuple[int, ...]) -> None:
        """*task* makes a call."""
        probe = self._find(f"{GROUP}/{name}")
        if probe is None or not probe.event.enabled:
            return
        plan = self._plans.get(name)
        if plan is None:
            plan = self._plans[name] = _Plan(probe.spec)
        values = run_fetch(plan.program, Hit(task, task.get_reg(self._registers.pc), 0, self._registers))
        memory = task.process if plan.pointed and _is_read(probe.event, plan.names) else None
        self._made[task.process.pid, task.tid] = _Made(plan, task.clock(), values, memory)
        if name in _LAST:
            self.answered(task, name, arguments, None)

    def answered(self, task: Task, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """It has got its *result*, None: the call went on elsewhere (execve, rt_sigreturn)."""
        made = self._made.pop((task.process.pid, task.tid), None)
        probe = self._find(f"{GROUP}/{name}")
        if made is None or probe is None or not probe.event.enabled:
            return
        now = task.clock()
        took = max(now - made.time, 0)
        failed = result is not None and -_MAX_ERRNO <= result < 0
        error = errno.errorcode.get(-(result or 0), str(result)) if failed else ""
        hit = _CallHit(task, self._registers, made, (result, error, took))
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
