"""Changes to the probes of a session: all at once or not at all, before, during and after the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from uprobe_core.errors import ProbeError
from uprobe_core.session.live import Batch, LiveChanges
from uprobe_core.tracing.collector import collector_waits

if TYPE_CHECKING:
    from uprobe_core.backend import Machine
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.tracing.event import EventProbe
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("ProbeChanges",)

T = TypeVar("T")


class ProbeChanges:
    """Transactions on the events of a session.

    :param not_probed: told of a place that has become impossible between request and safe point
    """

    def __init__(
        self, events: EventSet, files: GuestFiles, live: LiveChanges, not_probed: Callable[[ProbeError], None]
    ) -> None:
        self._events, self._files, self._live = events, files, live
        self._not_probed = not_probed
        self._registry: UprobeRegistry | None = None
        self._batch: Batch | None = None

    def place_in(self, registry: UprobeRegistry, machine: Machine) -> None:
        """From here on changes reach *registry*, because a program is loaded in *machine*."""
        self._registry = registry
        conditions = getattr(machine, "conditions", None)
        if conditions is not None:
            from uprobe_core.tracing.target_filters import TargetFilters

            TargetFilters(conditions, registry).follow(self._events, self._live)

    def never_mapped(self) -> list[str]:
        """Paths of the files with events that the program was not seen to map."""
        return [] if self._registry is None else self._registry.never_mapped()

    def make(self, function: Callable[[Batch], T]) -> T:
        """Call *function* with the batch under way, or with a new one that takes effect when it returns.

        Whatever it raises comes out here, also from another thread, and nothing has changed then.
        """
        if self._batch is not None and self._live.is_mine:
            return function(self._batch)
        return self._live.do(lambda: self._transact(function))

    def _transact(self, function: Callable[[Batch], T]) -> T:
        restore = self._events.state()
        self._batch = batch = Batch()
        try:
            with self._files.remembering(), collector_waits():
                result = function(batch)
                self._take_effect(batch)
        except BaseException:
            restore()
            raise
        finally:
            self._batch = None
        return result

    def _take_effect(self, batch: Batch) -> None:
        if self._registry is None:
            batch.switch_events()
        elif self._live.is_safe:
            batch.apply(self._events, self._registry, self._files)
        else:
            registry = self._registry
            self._events.check(batch.added, registry, self._files)
            self._live.soon(lambda: self._apply_late(batch, registry))

    def _apply_late(self, batch: Batch, registry: UprobeRegistry) -> None:
        """It was checked when it was asked for; if it has become wrong since, nobody is there to be told."""
        try:
            batch.apply(self._events, registry, self._files)
        except ProbeError as error:
            self._events.remove(list(dict.fromkeys(probe.event for probe in batch.added)))
            self._not_probed(error)

    def take_out(self, batch: Batch, gone: Sequence[EventProbe]) -> None:
        """Note in *batch* that the locations *gone* go, and the events that lost their last one."""
        batch.gone += gone
        ended = dict.fromkeys(probe.event for probe in gone if probe.event not in self._events.events)
        batch.switched += [(event, False) for event in ended]
