"""A session's connection to the native engine: who takes the sites, and what has to be told to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from uprobe_core.native.semantics import Semantics
from uprobe_core.native.sites import NativeSites
from uprobe_core.tracing.indirect import uprobes_of

if TYPE_CHECKING:
    from uprobe_core.backend import Machine, Process, Task
    from uprobe_core.native.stacks import StackSource
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.records.output import RunOutput
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.tracing.event import Event, EventProbe
    from uprobe_core.tracing.event_set import EventSet
    from uprobe_core.tracing.safe_points import SafePoints

__all__ = ("SessionNative",)


def _has_python_returns(probe: EventProbe, *, hijack: bool) -> bool:
    """Whether the core follows returns for *probe*: where a filter chooses processes, or of a resolver.

    The latter's are no event's, and matter only where all returns come to one trampoline.
    """
    event = probe.event
    return (event.has_filters and event.wants_returns) or (hijack and probe.spec.resolver is not None)


class SessionNative:
    """The native engine of one run.

    :param failed: called with (event, sink, exception) when a consumer raised
    :param records: whether the engine's records are all that the run's writer needs
    :param semantics: what of it is to be as a kernel does it
    :param stacks: what user stacks are made of
    :ivar sites: what it has taken
    """

    def __init__(
        self,
        machine: Machine,
        setup: RunSetup,
        registry: UprobeRegistry,
        events: EventSet,
        output: RunOutput,
        safe_points: SafePoints,
        *,
        failed: Callable[[Event, Any, Exception], None],
        records: bool,
        semantics: Semantics,
        stacks: StackSource,
    ) -> None:
        in_python = any(_has_python_returns(each, hijack=semantics.hijack) for each in events.locations())
        self._registry, self._events, self._safe_points = registry, events, safe_points
        self.sites = NativeSites(
            machine.native,
            setup.mode,
            write=output.record,
            lost=output.lose,
            failed=failed,
            vote_out=self._vote_out,
            place_again=registry.place_again,
            current=cast("Callable[[], Task]", lambda: machine.current),  # there is one at every hit
            keep=setup.lossy or 0,
            plain_records=records,
            semantics=semantics._replace(in_python=in_python),
            stacks=stacks,
            registers=registry.arch.info.registers,
        )
        self.sites.live = setup.output is None
        registry.native = self.sites
        self.sites.engine.see_jumps(any(space.sees_jumps for space in registry.spaces.values()))
        for uprobe in registry.uprobes():  # under policy=kernel they are placed as the program is loaded
            registry.place_again(uprobe)
        for event in events.events:
            if event.spec.is_sample:
                self.sites.sample(next(iter(event.probes)))
        events.follow_changes(self._event_changed, self._sync)

    def _sync(self) -> None:
        self._safe_points.do(self.sites.sync)

    def _event_changed(self, event: Event) -> None:
        if self.sites.changed(event):
            if event.spec.is_sample:
                self.sites.sample(next(iter(event.probes)))
            for probe in event.probes:
                for uprobe in uprobes_of(probe):
                    self._safe_points.soon(partial(self._registry.place_again, uprobe))

    def _vote_out(self, process: Process, address: int) -> None:
        """All consumers of the site at *address* voted for its removal."""
        space = self._registry.space_of(process)
        site = space.sites.get(address)
        if site is not None:
            self._safe_points.soon(lambda: self._registry.remove_site(space, site))

    def on_process(self, kind: str, task: Task) -> None:
        """*task* has forked, executed or exited."""
        if kind == "fork":
            self.sites.live = True
            self.sites.forked(task)
        elif kind == "left":
            self.sites.live = True
            self.sites.left()
        elif kind in ("exec", "exit"):
            self.sites.ended(task, kind)
        if kind == "exec":
            self.sites.engine.see_jumps(False)

    def sees_jumps(self, _process: Process, *, seen: bool) -> None:
        """Whether all longjmps of the running task's process are told."""
        self.sites.engine.see_jumps(seen)

    def jumped(self, _task: Task) -> None:
        """The running task is about to jump."""
        self.sites.engine.jumped()

    def raised(self, _task: Task, sp: int) -> None:
        """The running task raised an exception at *sp*."""
        self.sites.engine.raised(sp)

    def unwound(self, _task: Task, lowest: int, highest: int) -> None:
        """An exception ended the running task's calls entered with SP from *lowest* to *highest*."""
        self.sites.engine.unwound(lowest, highest)

    def enter_child(self, spool: Spool) -> None:
        """This is a forked process now: what is found goes to *spool*."""

        def send(message: tuple[Any, ...]) -> None:
            self._events.findings.spool_native(spool, message)

        self.sites.enter_child(send)
