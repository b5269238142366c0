"""How far a sweep is: on a terminal one line that changes, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import TextIO

from uprobe_core.sweeping.driver import Summary

__all__ = ("Progress", "summed_up")

_OFTEN, _SELDOM = 0.5, 30.0
"""Seconds between two lines, on a terminal and elsewhere."""


class Progress:
    """Prints a summary when it is time.

    :param stream: None prints nothing
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._start = self._last = time.monotonic()

    def __call__(self, summary: Summary) -> None:
        """Print it if the last one is long enough ago."""
        now = time.monotonic()
        if self._stream is None or now - self._last < (_OFTEN if self._live else _SELDOM):
            return
        self._last = now
        text = _line(summary, now - self._start)
        print(
            f"\r\x1b[K{text}" if self._live else text,
            end="" if self._live else "\n",
            file=self._stream,
            flush=True,
        )

    def end(self) -> None:
        """Leave the line."""
        if self._live and self._stream is not None and self._last != self._start:
            print("\r\x1b[K", end="", file=self._stream, flush=True)


def _line(summary: Summary, seconds: float) -> str:
    done = summary.kept + summary.ran
    rate = summary.ran / seconds if seconds else 0.0
    left = f", about {_duration((summary.total - done) / rate)} left" if rate else ""
    return f"uprobe: {done} of {summary.total} cells{_failed(summary)}, {rate:.1f}/s{left}"


def _failed(summary: Summary) -> str:
    failed = sum(summary.reasons.values())
    return f", {failed} did not end by themselves" if failed else ""


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def summed_up(summary: Summary, folder: str) -> list[str]:
    """What is said at the end."""
    kept = f", {summary.kept} were there" if summary.kept else ""
    lines = [f"{summary.ran} cells ran{kept}: {folder}"]
    lines += [f"{count} of them: {reason}" for reason, count in sorted(summary.reasons.items())]
    lines += [f"in {summary.unmet} an expectation did not hold"] if summary.unmet else []
    return lines
