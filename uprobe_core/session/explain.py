"""``--debug=hits,places,syscalls``: what was decided, and why, in a line each on standard error.

Whoever decides knows nothing of this: what it is asked and what it answers is looked at from outside, and
only if somebody wants to see it, so that it costs nothing otherwise.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from uprobe_core.native.choice import EngineChoice
from uprobe_core.types import Fault, Mode, TrapResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uprobe_core.backend import ProbeHandler, Task
    from uprobe_core.errors import ProbeError
    from uprobe_core.probes.dispatch import Dispatcher
    from uprobe_core.probes.sites import Site, Uprobe
    from uprobe_core.probes.spaces import NativeInstaller, Space
    from uprobe_core.target import CallWatcher

_MAX_ERRNO = 4095
"""Results from -MAX_ERRNO to -1 are errors (include/linux/err.h)."""

__all__ = ("ExplainedHits", "ExplainedPlaces", "Explaining", "say_statistics", "sayer")


def sayer(topic: str) -> Callable[[str], None]:
    """What writes lines about *topic*, each at once and unmixed with those of other processes."""

    def say(text: str) -> None:
        os.write(2, f"uprobe: {topic}: {text}\n".encode("utf-8", "surrogateescape"))

    return say


def say_statistics(own: Mapping[str, int], forked: Mapping[str, int]) -> None:
    """Say what a machine counted, over all processes: names that say more come after what they belong to."""
    total = Counter(own)
    total.update(forked)
    sayer("statistics")(", ".join(f"{total[name]} {name}" for name in sorted(total)))


def _names(uprobe: Uprobe) -> str:
    """Whose place it is."""
    return ", ".join(str(link.consumer.name) for link in uprobe.links) or "nobody"


class ExplainedPlaces:
    """Says where each probe was placed, and how, or why not."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def placed(self, space: Space, site: Site, native: NativeInstaller | None) -> None:
        """*site* was placed in *space*."""
        if site.native and native is not None:
            how = native.how(site)
        elif site.mode is Mode.INLINE:
            how = "in Python by a code hook"
        else:
            how = "in Python by a breakpoint"
        analysis, uprobe = site.analysis, site.uprobe
        why = f"{analysis.insn_class}, {analysis.verdict.value}" + (
            analysis.reason and f": {analysis.reason}"
        )
        place = f"{uprobe.path or uprobe.file}:{site.offset:#x}"
        if site.filtered:
            how = f"{how}, {site.filtered}"
        self._say(f"{space.process.pid} {site.vaddr:#x} {_names(uprobe)} ({place}) {how} ({why})")

    def refused(self, uprobe: Uprobe, error: ProbeError) -> None:
        """*uprobe* could not be placed where it came into reach."""
        self._say(
            f"{_names(uprobe)} ({uprobe.path or uprobe.file}:{uprobe.offset:#x}) refused: {error.message}"
        )


class ExplainedHits:
    """Tells a dispatcher what a backend tells, and says what it answered (a ProbeHandler)."""

    def __init__(self, dispatcher: Dispatcher, say: Callable[[str], None]) -> None:
        self._inner = dispatcher
        self._say = say

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _site(self, task: Task, address: int) -> Site | None:
        space = self._inner.registry.spaces.get(task.process)
        return None if space is None else space.sites.get(address)

    def _tell(self, task: Task, address: int, site: Site | None, what: str) -> None:
        names = "" if site is None else f" {_names(site.uprobe)}"
        self._say(f"{task.process.pid}/{task.tid} {address:#x}{names}: {what}")

    def _after(self, task: Task, address: int, site: Site) -> str:
        """What the consumers did, "" if nothing but look."""
        if self._site(task, address) is not site:
            return "all voted for its removal; "
        return ""

    def on_trap(self, task: Task, address: int) -> TrapResult | Fault:
        """See :class:`uprobe_core.backend.ProbeHandler`."""
        site = self._site(task, address)
        result = self._inner.on_trap(task, address)
        self._tell(task, address, site, self._answer(task, address, site, result))
        return result

    def _answer(self, task: Task, address: int, site: Site | None, result: TrapResult | Fault) -> str:
        pc = task.get_reg(self._inner.registers.pc)
        if isinstance(result, Fault):
            return f"what it does faults ({result.kind.value} at {result.address:#x})"
        if result is TrapResult.NOT_OURS:
            return "not ours, the program gets its SIGTRAP"
        if site is None:
            return f"a return, or a probe that was just taken out; goes on at {pc:#x}"
        voted = self._after(task, address, site)
        if result is TrapResult.SIMULATED:
            return f"{voted}simulated, goes on at {pc:#x}"
        if self._inner.utask(task).xol_vaddr:
            return f"{voted}stepped in the slot at {pc:#x}"
        return f"{voted}goes on at {pc:#x}"

    def on_inline(self, task: Task, address: int) -> None:
        """See :class:`uprobe_core.backend.ProbeHandler`."""
        site = self._site(task, address)
        self._inner.on_inline(task, address)
        pc = task.get_reg(self._inner.registers.pc)
        what = "runs in place" if pc == address else f"a handler moved it to {pc:#x}"
        self._tell(task, address, site, what if site is None else self._after(task, address, site) + what)

    def on_watch(self, task: Task, address: int) -> None:
        """See :class:`uprobe_core.backend.ProbeHandler`."""
        self._inner.on_watch(task, address)
        self._tell(task, address, None, "looked at for a return")

    def on_step_done(self, task: Task) -> None:
        """See :class:`uprobe_core.backend.ProbeHandler`."""
        address = self._inner.utask(task).vaddr
        self._inner.on_step_done(task)
        pc = task.get_reg(self._inner.registers.pc)
        self._tell(task, address, self._site(task, address), f"step done, goes on at {pc:#x}")

    def on_step_fault(self, task: Task, fault: Fault) -> Fault | None:
        """See :class:`uprobe_core.backend.ProbeHandler`."""
        address = self._inner.utask(task).vaddr
        kept = self._inner.on_step_fault(task, fault)
        self._tell(
            task, address, self._site(task, address), f"the step faults ({fault.kind.value}), put back"
        )
        return kept


class ExplainedCalls:
    """Says each system call with its result in one line, as strace has it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def called(self, task: Task, name: str, arguments: tuple[int, ...]) -> None:
        """Nothing is known yet."""

    def answered(self, task: Task, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """The whole line; *result* is None for a call that does not come back."""
        shown = "?" if result is None else str(result)
        if result is not None and -_MAX_ERRNO <= result < 0:
            shown = f"-1 {errno.errorcode.get(-result, str(-result))}"
        there = " (not there)" if result == -errno.ENOSYS else ""
        self._say(f"{task.process.pid}/{task.tid} {name}{there}({', '.join(map(hex, arguments))}) = {shown}")


class CallWatchers:
    """Several, told one after the other."""

    def __init__(self, watchers: Sequence[CallWatcher]) -> None:
        self._watchers = watchers

    def called(self, task: Task, name: str, arguments: tuple[int, ...]) -> None:
        """Tell all."""
        for each in self._watchers:
            each.called(task, name, arguments)

    def answered(self, task: Task, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """Tell all."""
        for each in self._watchers:
            each.answered(task, name, arguments, result)


class Explaining:
    """What of a run is explained.

    :param topics: of "hits", "places" and "syscalls"
    :ivar placed: told what was placed where, if somebody wants to know
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._hits = "hits" in topics
        self._places = ExplainedPlaces(sayer("places")) if "places" in topics else None
        self.placed = None if self._places is None else self._places.placed
        self._calls = ExplainedCalls(sayer("syscalls")) if "syscalls" in topics else None

    def on_syscall(self, *others: CallWatcher) -> CallWatcher | None:
        """Who is told of each system call: who explains them, and *others*; None: nobody."""
        watchers = [each for each in (*others, self._calls) if each is not None]
        return CallWatchers(watchers) if watchers else None

    def refused(self, complain: Callable[[Uprobe, ProbeError], None]) -> Callable[[Uprobe, ProbeError], None]:
        """*complain*, with the refusal explained as well."""
        places = self._places
        if places is None:
            return complain

        def refused(uprobe: Uprobe, error: ProbeError) -> None:
            places.refused(uprobe, error)
            complain(uprobe, error)

        return refused

    def handler(self, dispatcher: Dispatcher) -> ProbeHandler:
        """What the backend is to tell of hits."""
        return ExplainedHits(dispatcher, sayer("hits")) if self._hits else dispatcher

    def engine(self, choice: EngineChoice) -> EngineChoice:
        """The engine of the run: the native one decides in C, where nobody can look on."""
        return EngineChoice("py", "--debug=hits looks on") if self._hits else choice
