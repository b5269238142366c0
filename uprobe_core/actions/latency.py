"""How long calls took: a histogram, quantiles, and the slowest of them.

Latencies are counted in buckets that split each power of two in 2**SKETCH_BITS
equal parts, with the longest latency of each bucket.  A quantile is the longest
latency of the bucket that it falls in: a latency that occurred, at most one
part in 2**SKETCH_BITS above the exact one.  What occurred less than that far
apart from others, and ``max``, is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from uprobe_core.actions.base import MAX_KEYS, STACK_DEPTH, Getter, key_getter
from uprobe_core.actions.kinds import Hist
from uprobe_core.consumer import EventInfo, Frame, Hit
from uprobe_core.errors import UsageError
from uprobe_core.frame import checked_depth

__all__ = ("MOST_SLOWEST", "QUANTILES", "SKETCH_BITS", "Latency", "SlowCall", "quantiles_of", "sketch_bucket")

SKETCH_BITS = 6
"""A quantile is at most 1/64 above the exact one."""
QUANTILES = {"p50": 50, "p90": 90, "p99": 99}
"""In percent."""
MOST_SLOWEST = 1 << 16
"""Calls that ``top`` keeps at most."""


class SlowCall(NamedTuple):
    """One of the slowest calls.

    :param latency: nanoseconds from entry to return
    :param time: of the return, on the run's clock
    :param args: the event's arguments; of an entry event as they were at entry
    :param stack: where it returned to, outwards; empty unless stacks are asked for
    """

    latency: int
    time: int
    pid: int
    tid: int
    comm: str
    args: dict[str, Any]
    stack: tuple[Frame, ...] = ()

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sorts the slowest first, of equal ones the one that returned first."""
        return -self.latency, self.time, self.tid


def sketch_bucket(latency: int) -> int:
    """The lower bound of the bucket that counts *latency*."""
    power = latency.bit_length() - 1 - SKETCH_BITS
    return latency if power <= 0 else latency >> power << power


class Latency(Hist):
    """Nanoseconds from entry to return: a histogram, quantiles, and the slowest calls.

    ``by`` and ``when`` of an entry event see its arguments as they were at entry.

    :param kind: of the histogram; "linear" counts each latency by itself, so that quantiles are exact
    :param top: how many of the slowest calls to keep; 0: none
    :param stack: frames of their stacks, 0: none; True: as many as a key has
    """

    name = "latency"
    at_return = True

    def __init__(
        self,
        by: str | Sequence[str] | None = None,
        kind: str = "log2",
        *,
        when: str | None = None,
        max_keys: int = MAX_KEYS,
        top: int = 0,
        stack: int = 0,
    ) -> None:
        super().__init__("latency", kind, by=by, when=when, max_keys=max_keys)
        if not 0 <= top <= MOST_SLOWEST or stack < 0 or (stack and not top):
            raise UsageError(
                f"latency top {top} with stack {stack}",
                hint=f"top is at most {MOST_SLOWEST}, and stack is for the calls that it keeps",
                slug="bad-option",
            )
        self.top, self.stack = top, STACK_DEPTH if stack is True else stack and checked_depth(stack)
        self.spread: dict[Any, dict[int, list[int]]] = {}
        """By key and bucket: count, longest latency."""
        self._slowest: list[SlowCall] = []

    def reads(self, event: EventInfo) -> bool:
        """Whether it looks at the arguments of *event*."""
        own = any(name in event.names for name in self.by)
        return type(self) is not Latency or own or self.when is not None or self.top > 0

    def bind(self, event: EventInfo) -> Getter:
        """Measure (key, latency, the call if it may be one of the slowest)."""
        key, names = key_getter(event, self.by), tuple(event.names)

        def call(hit: Hit) -> SlowCall | None:
            latency = hit.latency_ns
            if not self.top or (len(self._slowest) >= self.top and latency < self._slowest[-1].latency):
                return None
            args = dict(zip(names, hit.values, strict=True))
            stack = hit.stack(self.stack) if self.stack else ()
            return SlowCall(latency, hit.timestamp, hit.pid, hit.tid, hit.comm, args, stack)

        return lambda hit: (key(hit), hit.latency_ns, call(hit))

    def apply(self, measurement: Any) -> None:
        """Count one latency, or keep one call that was counted elsewhere."""
        if isinstance(measurement, SlowCall):
            self.keep(measurement)
            return
        key, latency, call = measurement
        self.add(key, latency if self.kind == "linear" else sketch_bucket(latency), 1, latency)
        if call is not None:
            self.keep(call)

    def add(self, key: Any, bucket: int, hits: int = 1, high: int = 0) -> None:
        """Count *hits* in a bucket of *key*, whose longest latency is *high*."""
        buckets = self.spread.get(key)
        entry = None if buckets is None else buckets.get(bucket)
        if entry is not None:
            entry[0] += hits
            entry[1] = max(entry[1], high)
        elif self.has_room(self._held, hits):
            self._held += 1
            self.spread.setdefault(key, {})[bucket] = [hits, high]

    def keep(self, call: SlowCall) -> None:
        """*call* is one of the slowest if there are not enough slower ones."""
        self._slowest.append(call)
        self._slowest.sort(key=lambda each: each.rank)
        del self._slowest[self.top :]

    def result(self) -> dict[Any, Any]:
        """A dict lower bound -> count in ascending order, or a dict of such by key."""
        self.sync()
        table: dict[Any, dict[int, int]] = {}
        for key, buckets in self.spread.items():
            counts: Counter[int] = Counter()
            for low, (hits, _) in buckets.items():
                counts[self.bucket(low)] += hits
            table[key] = dict(sorted(counts.items()))
        return table if self.by else table.get((), {})

    def quantiles(self) -> Any:
        """A dict with count, p50, p90, p99 and max, or such by key; the module says how exact."""
        self.sync()
        table = {key: quantiles_of(buckets) for key, buckets in self.spread.items()}
        return table if self.by else table.get((), quantiles_of({}))

    def slowest(self) -> list[SlowCall]:
        """The *top* slowest calls, the slowest first."""
        self.sync()
        return list(self._slowest)


def quantiles_of(buckets: dict[int, list[int]]) -> dict[str, int]:
    """By bucket the count and the longest latency -> count, p50, p90, p99 and max.

    Of a quantile of p percent, at least p percent of all are no longer (the nearest-rank method).
    """
    ordered = sorted(buckets.items())
    count = sum(hits for _, (hits, _) in ordered)
    found = {"count": count}
    for name, percent in QUANTILES.items():
        rank, seen, value = -(-count * percent // 100), 0, 0
        for _, (hits, high) in ordered:
            value, seen = high, seen + hits
            if seen >= rank:
                break
        found[name] = value
    found["max"] = max((high for _, (_, high) in ordered), default=0)
    return found
