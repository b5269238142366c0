"""Declarative consumers: say what is wanted, and the engine does it for each hit.

An action is attached to events with ``session.probe(spec, action)`` or ``-C``.
It never needs Python code per hit, so a native engine runs it whole; what
stands here is the reference.  Each is *measured* (a small picklable value is
taken from the hit) and *applied* (the value is added to the result); in a
forked child the measurements travel to the session and are applied there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from uprobe_core.actions.base import MAX_KEYS, Action, Getter, getter_of, key_getter, names_of, number_getter
from uprobe_core.consumer import EventInfo, Frame
from uprobe_core.errors import UsageError
from uprobe_core.frame import checked_depth

__all__ = ("MAX_KEYS", "Action", "Count", "Hist", "Record", "Stacks", "Sum")

_LOWEST = -(1 << 63)


class Count(Action):
    """How many hits, in all or for each value of the fields *by*."""

    name = "count"

    def __init__(
        self,
        by: str | Sequence[str] | None = None,
        *,
        when: str | None = None,
        max_keys: int = MAX_KEYS,
    ) -> None:
        super().__init__(when=when, max_keys=max_keys)
        self.by = names_of(by)
        self.counts: Counter[Any] = Counter()

    def reads_only(self) -> frozenset[str] | None:
        """The key."""
        return frozenset(self.by) if self.when is None else None

    def bind(self, event: EventInfo) -> Getter:
        """Measure the key."""
        return key_getter(event, self.by)

    def apply(self, measurement: Any) -> None:
        """Count one."""
        self.add(measurement)

    def add(self, key: Any, hits: int = 1) -> None:
        """Count *hits* of *key*."""
        if key in self.counts or self.has_room(len(self.counts), hits):
            self.counts[key] += hits

    def result(self) -> int | dict[Any, int]:
        """The count, or a dict of counts by key with the most frequent first."""
        self.sync()
        return dict(self.counts.most_common()) if self.by else self.counts[()]


class Sum(Action):
    """Count, sum, smallest, largest and mean of the field *arg*, in all or by key."""

    name = "sum"

    def __init__(
        self,
        arg: str,
        by: str | Sequence[str] | None = None,
        *,
        when: str | None = None,
        max_keys: int = MAX_KEYS,
    ) -> None:
        super().__init__(when=when, max_keys=max_keys)
        self.arg = arg
        self.by = names_of(by)
        self.stats: dict[Any, list[int]] = {}

    def bind(self, event: EventInfo) -> Getter:
        """Measure (key, value)."""
        key, value = key_getter(event, self.by), number_getter(event, self.arg, self.name)
        return lambda hit: (key(hit), value(hit))

    def apply(self, measurement: Any) -> None:
        """Add one value."""
        key, value = measurement
        self.add(key, 1, value, value, value)

    def add(self, key: Any, hits: int, total: Any, low: Any, high: Any) -> None:
        """Add *hits* values that come to *total*, from *low* to *high*."""
        entry = self.stats.get(key)
        if entry is not None:
            entry[0] += hits
            entry[1] += total
            entry[2] = min(entry[2], low)
            entry[3] = max(entry[3], high)
        elif self.has_room(len(self.stats), hits):
            self.stats[key] = [hits, total, low, high]

    def result(self) -> Any:
        """A dict with count, sum, min, max and avg, or a dict of such by key."""
        self.sync()
        table = {
            key: {"count": n, "sum": total, "min": low, "max": high, "avg": total / n}
            for key, (n, total, low, high) in self.stats.items()
        }
        if self.by:
            return table
        return table.get((), {"count": 0, "sum": 0, "min": 0, "max": 0, "avg": 0.0})


class Hist(Action):
    """A histogram of the field *arg*, in all or by key.

    A bucket is named by its lower bound, which belongs to it, below zero too.

    :param kind: "log2" (bucket n holds 2**n to 2**(n+1) - 1, zero in a bucket of its own),
        "linear" (buckets of *step*, one of which begins at 0), or "sub" (each power of two split in
        2***bits* equal parts); of log2 and sub, the negative buckets mirror the positive ones
    """

    name = "hist"

    def __init__(
        self,
        arg: str,
        kind: str = "log2",
        *,
        step: int = 1,
        bits: int = 2,
        by: str | Sequence[str] | None = None,
        when: str | None = None,
        max_keys: int = MAX_KEYS,
    ) -> None:
        super().__init__(when=when, max_keys=max_keys)
        if kind not in {"log2", "linear", "sub"}:
            raise UsageError(
                f"no histogram kind {kind!r}", hint="kinds: log2, linear, sub", slug="bad-option"
            )
        if step < 1 or not 0 <= bits <= 8:
            raise UsageError(
                f"histogram step {step} or bits {bits} is out of range",
                hint="step is at least 1, bits 0 to 8",
                slug="bad-option",
            )
        self.arg, self.kind, self.step, self.bits = arg, kind, step, bits
        self.by = names_of(by)
        self.buckets: dict[Any, Counter[int]] = {}
        self._held = 0

    def bucket(self, value: int) -> int:
        """The lower bound of the bucket that holds *value*, at least that of a signed 64-bit number."""
        if self.kind == "linear":
            return max(value // self.step * self.step, _LOWEST)
        if value < 0:
            low = self.bucket(-value)
            return max(1 - low - self._width(low), _LOWEST)
        return value // self._width(value) * self._width(value) if value else 0

    def _width(self, value: int) -> int:
        """How many numbers are in the bucket of *value*, which is positive (of kind log2 or sub)."""
        power = value.bit_length() - 1
        return 1 << (power if self.kind == "log2" else max(power - self.bits, 0))

    def bind(self, event: EventInfo) -> Getter:
        """Measure (key, bucket)."""
        key, value = key_getter(event, self.by), number_getter(event, self.arg, self.name)
        return lambda hit: (key(hit), self.bucket(int(value(hit))))

    def apply(self, measurement: Any) -> None:
        """Count one value in its bucket."""
        self.add(*measurement)

    def add(self, key: Any, bucket: int, hits: int = 1) -> None:
        """Count *hits* in a bucket of *key*."""
        counts = self.buckets.get(key)
        if counts is None or bucket not in counts:
            if not self.has_room(self._held, hits):
                return
            self._held += 1
            counts = self.buckets.setdefault(key, Counter())
        counts[bucket] += hits

    def result(self) -> dict[Any, Any]:
        """A dict lower bound -> count in ascending order, or a dict of such by key."""
        self.sync()
        table = {key: dict(sorted(counts.items())) for key, counts in self.buckets.items()}
        return table if self.by else table.get((), {})


class Record(Action):
    """Every hit's arguments, in order; *limit* bounds memory and counts what it drops."""

    name = "record"

    def __init__(self, *args: str, limit: int | None = None, when: str | None = None) -> None:
        super().__init__(when=when)
        self.args = args
        self.limit = limit
        self.records: list[dict[str, Any]] = []
        self.dropped = 0

    def bind(self, event: EventInfo) -> Getter:
        """Measure the wanted arguments as a dict."""
        names = self.args or tuple(event.names)
        getters = [(name, getter_of(event, name)) for name in names]
        return lambda hit: {name: get(hit) for name, get in getters}

    def apply(self, measurement: Any) -> None:
        """Keep one record."""
        if self.limit is not None and len(self.records) >= self.limit:
            self.dropped += 1
        else:
            self.records.append(measurement)

    def result(self) -> list[dict[str, Any]]:
        """The records, oldest first."""
        self.sync()
        return self.records


class Stacks(Action):
    """How often each user stack was seen, as ``hit.stack(depth)`` gives it."""

    name = "stacks"

    def __init__(self, depth: int = 32, *, when: str | None = None, max_keys: int = MAX_KEYS) -> None:
        super().__init__(when=when, max_keys=max_keys)
        self.depth = checked_depth(depth)
        self.counts: Counter[tuple[Frame, ...]] = Counter()

    def bind(self, event: EventInfo) -> Getter:
        """Measure the return addresses of the frames."""
        return lambda hit: hit.stack(self.depth)

    def apply(self, measurement: Any) -> None:
        """Count one stack."""
        self.add(measurement)

    def add(self, stack: tuple[Frame, ...], hits: int = 1) -> None:
        """Count *hits* with *stack*."""
        if stack in self.counts or self.has_room(len(self.counts), hits):
            self.counts[stack] += hits

    def result(self) -> dict[tuple[Frame, ...], int]:
        """Counts by stack, the most frequent first."""
        self.sync()
        return dict(self.counts.most_common())
