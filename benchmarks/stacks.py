"""What a hit costs that looks at its user stack, 14 frames deep: nine calls, main, and the start code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from uprobe_fetchargs import TraceConsumer

import uprobe_core as up
from benchmarks.cases import measure_session, quietly
from benchmarks.meter import sample
from benchmarks.report import Section

__all__ = ("measure",)

_FEWER = 20
"""What runs in Python is measured over so many times fewer calls."""
ENTRY, RETURN = "p:work {path}:work a=%x0", "r:work {path}:work a=%x0"


class Look:
    """A handler that looks at the whole stack."""

    name = "look"

    def handler(self, hit: Any) -> None:
        """Look, and forget."""
        hit.stack()


CASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "count": (ENTRY, up.Count),
    "stacks": (ENTRY, up.Stacks),
    "count by stack": (ENTRY, lambda: up.Count(by="stack")),
    "histogram by stack": (ENTRY, lambda: up.Hist("a", by="stack")),
    "latency by stack": (RETURN, lambda: up.Latency(by="stack")),
    "Python handler, hit.stack()": (ENTRY, Look),
}


def _format(path: str, name: str, count: int) -> float:
    """Nanoseconds of processor time per call of a run whose records go to a file in the format *name*."""
    with quietly(), up.Session([path, str(count)], output=os.devnull, format=name) as session:
        session.probe(ENTRY.format(path=path), TraceConsumer({}))
        session.open()
        start = time.thread_time()
        session.run()
        return (time.thread_time() - start) * 1e9 / count


def measure(path: str, rounds: int, repeat: int) -> list[Section]:
    """Nanoseconds that a hit adds to a call."""
    few = rounds // _FEWER
    ways: dict[str, Callable[[], float]] = {
        "no probe": lambda: measure_session(path, [], "inline", rounds),
        "no probe, few calls": lambda: measure_session(path, [], "inline", few),
    }
    for name, (line, make) in CASES.items():
        count = few if "Python" in name else rounds
        ways[name] = lambda line=line, make=make, count=count: measure_session(  # type: ignore[misc]
            path, [(line, make())], "auto", count
        )
    for name in ("jsonl", "folded"):
        ways[f"--format {name}"] = lambda name=name: _format(path, name, few)  # type: ignore[misc]
    found = sample(ways, repeat)
    section = Section("user stacks of 14 frames, ns that a hit adds")
    for name in ways:
        if not name.startswith("no probe"):
            slow = "Python" in name or "format" in name
            section.rows[name] = found.added(name, "no probe, few calls" if slow else "no probe")
    section.judge("stacks", "ns", section.rows["stacks"], at_most=2000)
    section.judge("--format folded", "ns", section.rows["--format folded"], at_most=20_000)
    return [section]
