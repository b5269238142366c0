"""What the calls of a function cost: how many, how long in all, by themselves, on average and at most."""

from __future__ import annotations

from typing import NamedTuple

from uprobe_core.actions.base import MAX_KEYS, Action, Getter
from uprobe_core.actions.latency import quantiles_of, sketch_bucket
from uprobe_core.consumer import EventInfo

__all__ = ("CallSummary", "Summary")


class CallSummary(NamedTuple):
    """Of the calls that returned; times in nanoseconds.

    :param total: in all calls, with the time in calls within calls of the same function counted once
    :param own: in all calls, without the calls that they made and that the run follows
    :param mean: of all calls
    :param p50: median; p50, p90 and p99 are at most 1/64 above the exact ones
    :param max: the longest call
    """

    calls: int
    total: int
    own: int
    mean: float
    p50: int
    p90: int
    p99: int
    max: int


class Summary(Action):
    """Calls, total time, own time, mean and quantiles of the calls that returned."""

    name = "summary"
    at_return = True

    def __init__(self, *, when: str | None = None, max_keys: int = MAX_KEYS) -> None:
        super().__init__(when=when, max_keys=max_keys)
        self.spread: dict[int, list[int]] = {}
        """By bucket of the latency: count, longest latency."""
        self._sums = [0, 0, 0]
        """Of latencies: all, own, all without what calls of the same function in it have added."""

    def reads(self, event: EventInfo) -> bool:
        """Whether it looks at the arguments of *event*."""
        return self.when is not None

    def bind(self, event: EventInfo) -> Getter:
        """Measure (latency, own time, what was not measured at calls of the function in it)."""
        return lambda hit: (hit.latency_ns, hit.own_ns, hit.once_ns(self))

    def apply(self, measurement: tuple[int, int, int]) -> None:
        """Add one call."""
        latency, _own, _once = measurement
        self.add(sketch_bucket(latency), 1, latency, measurement)

    def add(self, bucket: int, hits: int, high: int, sums: tuple[int, int, int]) -> None:
        """Add *hits* calls of a bucket, the longest of which took *high*."""
        entry = self.spread.get(bucket)
        if entry is None and not self.has_room(len(self.spread), hits):
            return
        entry = self.spread.setdefault(bucket, [0, 0])
        entry[0] += hits
        entry[1] = max(entry[1], high)
        self._sums = [a + b for a, b in zip(self._sums, sums, strict=True)]

    def result(self) -> CallSummary:
        """What was found so far."""
        self.sync()
        found = quantiles_of(self.spread)
        calls = found.pop("count")
        time, own, total = self._sums
        return CallSummary(calls, total, own, time / calls if calls else 0.0, **found)
