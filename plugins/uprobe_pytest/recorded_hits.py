"""The hits of a run, in order over all events and processes, and what a failed expectation shows of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

__all__ = ("RecordedHit", "expect_hits", "expect_trace", "read_hits")

SHOWN = 40
"""Hits that a failure shows at most; the others are counted."""


@dataclass(frozen=True, slots=True)
class RecordedHit:
    """One hit.

    :param event: its name, without the group
    :param args: the fetched arguments by name
    :param time_ns: on the run's clock
    :param ip: the probed address; for a return, where it returns to
    :param function: for a return the function's address, None for an entry
    """

    event: str
    args: Mapping[str, Any]
    time_ns: int
    pid: int
    tid: int
    comm: str
    ip: int
    function: int | None = None

    @property
    def is_return(self) -> bool:
        """Whether it is a function's return."""
        return self.function is not None

    def __str__(self) -> str:
        return " ".join([self.event, *(f"{name}={value!r}" for name, value in self.args.items())])


def read_hits(path: Path) -> list[RecordedHit]:
    """The hits in a file of JSON lines as the format ``jsonl`` writes it, oldest first."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [_hit(found) for line in lines if "event" in (found := json.loads(line))]


def _hit(found: Mapping[str, Any]) -> RecordedHit:
    return RecordedHit(
        found["event"].partition("/")[2],
        found["args"],
        found["timestamp_ns"],
        found["pid"],
        found["tid"],
        found["comm"],
        found["ip"],
        found["function"],
    )


def expect_hits(
    hits: Sequence[RecordedHit], event: str, times: int | None, args: Mapping[str, Any]
) -> list[RecordedHit]:
    """The hits of *event* with *args*; AssertionError unless there are *times* of them (None: any)."""
    found = [hit for hit in hits if hit.event == event and _has(hit, args)]
    if len(found) == times or (times is None and found):
        return found
    wanted = " ".join([event, *(f"{name}={value!r}" for name, value in args.items())])
    expected = "at least one hit" if times is None else f"{times} hit{'' if times == 1 else 's'}"
    raise AssertionError(
        f"expected {expected} of {wanted}, found {len(found)}\n{_marked(hits, event, found)}"
    )


def _has(hit: RecordedHit, args: Mapping[str, Any]) -> bool:
    return all(name in hit.args and hit.args[name] == value for name, value in args.items())


def _marked(hits: Sequence[RecordedHit], event: str, found: Sequence[RecordedHit]) -> str:
    """The hits of *event*, those that were *found* marked; without any, which events there were."""
    own = [hit for hit in hits if hit.event == event]
    if not own:
        others = ", ".join(sorted({hit.event for hit in hits})) or "none"
        return f"no hit of {event} at all; events with hits: {others}"
    lines = [f"{'>' if any(hit is each for each in found) else ' '} {hit}" for hit in own[:SHOWN]]
    return "\n".join([f"hits of {event}, in order (> counts):", *lines, *_more(len(own) - SHOWN)])


def _more(count: int) -> list[str]:
    return [f"  ... and {count} more"] if count > 0 else []


def expect_trace(hits: Iterable[RecordedHit], expected: Sequence[str]) -> None:
    """AssertionError with a diff unless the hits, as text without times, are *expected*, line by line."""
    found = [str(hit) for hit in hits]
    if found != list(expected):
        diff = [line for line in ndiff(list(expected), found) if not line.startswith("?")]
        lines = [*diff[:SHOWN], *_more(len(diff) - SHOWN)]
        raise AssertionError("\n".join(["the trace differs (- expected, + found):", *lines]))
