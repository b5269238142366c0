"""Measuring several ways of doing the same so that all of them share the machine's moods."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping

__all__ = ("Samples", "sample")

Measure = Callable[[], float]


class Samples:
    """Nanoseconds of each way, one number for each round.

    :param rounds: way -> its numbers, in the same order for all
    """

    def __init__(self, rounds: Mapping[str, list[float]]) -> None:
        self.rounds = rounds

    def median(self, way: str) -> float:
        """Of one way."""
        return statistics.median(self.rounds[way])

    def added(self, way: str, base: str) -> float:
        """Median over rounds of what *way* costs more than *base*."""
        pairs = zip(self.rounds[way], self.rounds[base], strict=True)
        return statistics.median(a - b for a, b in pairs)

    def times(self, way: str, other: str) -> float:
        """Median over rounds of *way* divided by *other*."""
        pairs = zip(self.rounds[way], self.rounds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def sample(ways: Mapping[str, Measure], repeat: int, only: Iterable[str] | None = None) -> Samples:
    """Measure every way *repeat* times, one after the other, again and again."""
    chosen = list(ways if only is None else only)
    rounds: dict[str, list[float]] = {way: [] for way in chosen}
    for _ in range(repeat):
        for way in chosen:
            rounds[way].append(ways[way]())
    return Samples(rounds)
