"""Filters that the target decides: which sites they may be given to, and the hits that it passed over.

A hit that no event of its place wants costs an exchange with the target only to be rejected here.  Where
the target can decide that by itself, it does, and tells how many there were: hits are counted
whatever a filter says.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from uprobe_core.event_model import Comparison, Condition
from uprobe_core.events.fields import FieldKind
from uprobe_core.events.filter_compile import INTEGER_SIZES
from uprobe_core.events.filters import FilterOp
from uprobe_core.tracing.event import Event, EventProbe
from uprobe_core.tracing.indirect import uprobes_of

if TYPE_CHECKING:
    from uprobe_core.backend import Conditions
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.probes.sites import Site
    from uprobe_core.probes.spaces import Space
    from uprobe_core.tracing.event_set import EventSet
    from uprobe_core.tracing.safe_points import SafePoints

__all__ = ("TargetFilters", "condition_of")

_NUMBERS = frozenset("usxcC")
"""Kinds of types that are whole numbers."""


class TargetFilters:
    """Gives the filters of *registry*'s sites to *conditions*, where that changes nothing but the cost."""

    def __init__(self, conditions: Conditions, registry: UprobeRegistry) -> None:
        self._conditions, self._registry = conditions, registry

    def follow(self, events: EventSet, safe_points: SafePoints) -> None:
        """From now on, also when *events* change; their results are brought in at *safe_points*."""
        self._registry.decide = self.decide

        def changed(event: Event) -> None:
            for probe in event.probes:
                for uprobe in uprobes_of(probe):
                    safe_points.soon(partial(self._registry.place_again, uprobe))

        events.follow_changes(changed, lambda: safe_points.do(self._conditions.settle))

    def decide(self, space: Space, site: Site) -> None:
        """*site* was placed, or its consumers changed."""
        probes = [link.consumer for link in site.uprobe.links]
        found = () if self._registry.policy.is_kernel else tuple(map(condition_of, probes))
        wanted = tuple(each for each in found if each is not None)
        if len(wanted) < len(probes):
            wanted = ()
        why = self._conditions.decide(space.process, site.vaddr, wanted, partial(_add, probes))
        site.filtered = f"filters here: {why}" if why else "filters there" if wanted else ""


def _add(probes: Sequence[EventProbe], count: int) -> None:
    for probe in probes:
        probe.tallies["hits"] += count


def condition_of(consumer: object) -> Condition | None:
    """What holds of each hit that *consumer* does more with than to count it; None if it may be anything."""
    if not isinstance(consumer, EventProbe):
        return None
    event = consumer.event
    if event.filter_ops is None or not event.enabled or event.triggers is not None:
        return None
    if event.wants_returns or event.has_filters:
        return None
    steps = [_comparison(op, consumer) for op in event.filter_ops]
    made = tuple(step for step in steps if step is not None)
    return made if len(made) == len(steps) else None


def _comparison(op: FilterOp, probe: EventProbe) -> Comparison | None:
    """*op* with the argument as it is found at the place of *probe*; None if that is no whole number."""
    field, value = op.predicate.field, op.predicate.value
    if field.kind is not FieldKind.NUMBER or field.index < 0 or not isinstance(value, int):
        return None
    arg = probe.spec.args[field.index]
    if arg.count or arg.shape is not None or arg.type.kind not in _NUMBERS or arg.size not in INTEGER_SIZES:
        return None
    return Comparison(arg, op.predicate.operator, value, op.when, op.target)
