"""Who follows returns where calls must know of each other: the native engine or the core's Python, not both.

Hijacked returns all come to one trampoline, where calls end in the order of one stack
(uprobe_handle_trampoline, kernel/events/uprobes.c): with two, one would take what is the other's.  Watched
ones may be followed by both, unless somebody asks in which calls a call was, or how much of it was its own.
"""

from __future__ import annotations

from collections.abc import Callable

from uprobe_core.actions.call_graph import CallGraph
from uprobe_core.actions.kinds import Action
from uprobe_core.actions.summary import Summary
from uprobe_core.errors import ProbeError
from uprobe_core.native.semantics import Semantics
from uprobe_core.probes.sites import Site, Uprobe
from uprobe_core.tracing.event import Event, EventProbe

__all__ = ("FollowedReturns",)


class FollowedReturns:
    """Knows who has which, and has the engine's placed again once they have to be Python's.

    :param awaited: gives the addresses that the engine's calls are to return to
    :param place_again: places a uprobe anew
    """

    def __init__(
        self, semantics: Semantics, awaited: Callable[[], list[int]], place_again: Callable[[Uprobe], None]
    ) -> None:
        self._hijack = self._together = semantics.hijack
        """Whether all must be one's."""
        self._in_python = semantics.in_python
        self._awaited, self._place_again = awaited, place_again
        self._engines: set[Uprobe] = set()
        self._pythons: set[Uprobe] = set()

    def are_pythons(self, site: Site) -> bool:
        """Whether *site* may not be the engine's."""
        self._look_at(site.uprobe)
        if not self._together or not self._wants_returns(site.uprobe):
            return False
        return self._in_python or any(self._wants_returns(u) for u in self._pythons if u is not site.uprobe)

    def placed(self, site: Site, *, native: bool) -> None:
        """*site* is the engine's (*native*) or is to be the core's; raises ProbeError if that cannot be."""
        uprobe = site.uprobe
        mine, others = (self._engines, self._pythons) if native else (self._pythons, self._engines)
        others.discard(uprobe)
        if not self._wants_returns(uprobe):
            mine.discard(uprobe)
            return
        if self._together and not native and any(map(self._wants_returns, self._engines)):
            self._refuse_late(site)
        mine.add(uprobe)
        if self._together and self._pythons:
            engines, self._engines = self._engines, set()
            for other in engines:
                self._place_again(other)

    def _refuse_late(self, site: Site) -> None:
        if self._awaited():
            raise ProbeError(
                f"returns of {site.uprobe.path}:{site.offset:#x} cannot be followed: they would be Python's,"
                " and calls that were entered before are the native engine's",
                address=site.vaddr,
                where=site.uprobe.path,
                hint="--engine py",
            )

    def _wants_returns(self, uprobe: Uprobe) -> bool:
        """Whether *uprobe* has returns that others know of: those of a resolver only if all are hijacked."""
        return any(
            link.ret_handler is not None and (self._hijack or isinstance(link.consumer, EventProbe))
            for link in uprobe.links
        )

    def _look_at(self, uprobe: Uprobe) -> None:
        """Find out whether a consumer of *uprobe* looks at other calls than its own."""
        if not self._together:
            probes = [link.consumer for link in uprobe.links if isinstance(link.consumer, EventProbe)]
            self._together = any(_looks_around(probe.event) for probe in probes)


def _looks_around(event: Event) -> bool:
    """Whether a sink of *event* may ask a returning call for its own time or for the calls that it was in."""
    for sink in event.sinks:
        action = getattr(sink, "action", None)
        if isinstance(action, (Summary, CallGraph)):
            return True
        if not isinstance(action, Action) and getattr(sink, "ret_handler", None) is not None:
            return True
    return False
