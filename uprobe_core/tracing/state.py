"""What the triggers of one session share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from uprobe_core.events.histogram import Histogram

__all__ = ("TracingState",)


class TracingState:
    """What the triggers of a session share: whether hits are recorded, and named histograms."""

    def __init__(self) -> None:
        self.on = True
        self.recording = True
        """Whether the hit under way is recorded."""
        self.named: dict[str, Histogram] = {}
        self.histograms: list[tuple[str, Histogram]] = []
        self.symbols: dict[int, str] = {}
        self._removed: list[Histogram] = []

    def remove(self, histogram: Histogram) -> None:
        """Its trigger is gone; what it has counted is still printed, but an empty one is not."""
        self._removed.append(histogram)

    def replay_hist(self, number: int, measurement: Any, names: dict[int, str]) -> None:
        """Count what a forked child measured."""
        self.symbols.update(names)
        self.histograms[number][1].add(measurement)

    def hist_lines(self) -> Iterator[str]:
        """The histograms as their ``hist`` files print them, under a line that names the event."""
        for name, histogram in self.histograms:
            if histogram in self._removed and not histogram.hits:
                continue
            yield f"# {name}"
            yield from histogram.text().splitlines()
