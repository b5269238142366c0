"""Many probes: the hit of one among K, of all in turn, code that has none, and where auto changes over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import uprobe_core as up
from benchmarks.cases import ENTRY, Increment, measure_session, quietly
from benchmarks.meter import sample
from benchmarks.programs import file_offset, symbols
from benchmarks.report import Section

__all__ = ("CROSSOVER", "KS", "measure", "measure_crossover")

Line = tuple[str, Any]
KS = (1, 10, 100, 1000, 10000)
CROSSOVER = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32)
_CALLING = (1, 4, 16, 32, 64, 128)
_PASSES = 1000
"""Each place is passed so often at least, so that its translation does not count."""
_REPEAT = 3
"""Rounds at most: to place ten thousand probes takes seconds."""
_FEW = 100
"""Event lines from which on one of many is told from the first, which imports things."""
_INLINE_MOST = 100
"""Code hooks are walked one by one: with more it takes minutes to learn nothing new."""


def _places(path: str, count: int, make: Callable[[], Any] = up.Count) -> list[Line]:
    """Probes on the last *count* places, those that ``places(count)`` passes."""
    start = file_offset(path, symbols(path)["places_end"]) - 4 * count
    return [(f"p:x{i} {{path}}:{start + 4 * i:#x}", make()) for i in range(count)]


def measure(path: str, rounds: int, repeat: int, most: int = KS[-1]) -> list[Section]:
    """One hot of K, all in turn, and code without probes."""
    counts, repeat = [k for k in KS if k <= most], min(repeat, _REPEAT)
    return [
        _one_hot(path, rounds, repeat, counts),
        _in_turn(path, rounds, repeat, counts),
        _placing(path, counts),
    ]


def _placing(path: str, counts: list[int]) -> Section:
    """What it takes to place event lines and to take them out: the same per line, however many there are."""
    section = Section("many probes, us of processor time per event line")
    for what in ("placed", "taken out"):
        section.rows |= {f"{k} lines {what}": 0.0 for k in counts if k >= _FEW}
    for k in counts:
        if k >= _FEW:
            placed, out = _place_and_take_out(path, k)
            section.rows[f"{k} lines placed"] = placed
            section.rows[f"{k} lines taken out"] = out
    most = f"{counts[-1]} lines placed"
    if counts[-1] > _FEW:
        section.judge(
            most, f"with {_FEW} x", section.rows[most] / section.rows[f"{_FEW} lines placed"], at_most=1.5
        )
    return section


def _remove_all(session: up.Session) -> None:
    for event in list(session.events.events):
        session.remove(event)


def _place_and_take_out(path: str, count: int) -> tuple[float, float]:
    lines = [line.format(path=path) for line, _ in _places(path, count)]
    with quietly(), up.Session([path, "0"], output=os.devnull) as session:
        session.open()
        begin = time.process_time()
        session.change(lambda: [session.probe(line, up.Count()) for line in lines])
        middle = time.process_time()
        session.change(lambda: _remove_all(session))
        end = time.process_time()
    return (middle - begin) * 1e6 / count, (end - middle) * 1e6 / count


def _one_hot(path: str, rounds: int, repeat: int, counts: list[int]) -> Section:
    ways: dict[str, Callable[[], float]] = {"none": lambda: measure_session(path, [], "jump", rounds)}
    for mode in ("inline", "auto"):
        for k in counts:
            if mode != "inline" or k <= _INLINE_MOST:
                ways[f"{mode}: {k} probes, one hot"] = lambda mode=mode, k=k: measure_session(  # type: ignore[misc]
                    path, [*_places(path, k - 1), (ENTRY, up.Count())], mode, rounds
                )
    elsewhere = f"{counts[-1]} probes elsewhere"
    ways[elsewhere] = lambda: measure_session(path, _places(path, counts[-1]), "auto", rounds)
    found = sample(ways, repeat)
    section = Section("many probes, ns that a hit of the hot one adds")
    for way in list(ways)[1:-1]:
        section.rows[way] = found.added(way, "none")
    most, ten = f"auto: {counts[-1]} probes, one hot", "auto: 10 probes, one hot"
    section.judge(most, "with ten x", section.rows[most] / section.rows[ten], at_most=2)
    section.rows["code without probes (ns per call)"] = found.median("none")
    section.rows[elsewhere] = found.median(elsewhere)
    section.judge(elsewhere, "with none x", found.times(elsewhere, "none"), at_most=1.05)
    return section


def _in_turn(path: str, rounds: int, repeat: int, counts: list[int]) -> Section:
    ways: dict[str, Callable[[], float]] = {}
    for k in counts:
        times = max(rounds // k, _PASSES)
        ways[f"none {k}"] = lambda k=k, times=times: measure_session(path, [], "jump", 0, k, times)  # type: ignore[misc]
        for mode in ("inline", "trap", "auto"):
            if mode != "inline" or k <= _INLINE_MOST:
                ways[f"{mode}: {k} probes, all in turn"] = lambda mode=mode, k=k, times=times: (  # type: ignore[misc]
                    measure_session(path, _places(path, k), mode, 0, k, times)
                )
    found = sample(ways, repeat)
    section = Section("many probes, ns that a hit adds when all are passed in turn")
    for way in ways:
        if not way.startswith("none"):
            section.rows[way] = found.added(way, f"none {way.split()[1]}")
    most, ten = f"auto: {counts[-1]} probes, all in turn", "auto: 10 probes, all in turn"
    section.judge(most, "with ten x", section.rows[most] / section.rows[ten], at_most=2)
    return section


def measure_crossover(
    path: str, rounds: int, repeat: int, counts: Sequence[int] = CROSSOVER
) -> list[Section]:
    """Hooks against slots for a few counting probes, and against traps for Python handlers.

    The constants INLINE_AT_MOST and INLINE_CALLS of native_places.py come from here.
    """
    counting = _crossover(path, rounds, repeat, counts, "jump", up.Count)
    calling = _crossover(path, rounds // 5, repeat, _CALLING, "trap", Increment)
    counting.title = f"where auto changes over: counting, {counting.title}"
    calling.title = f"where auto changes over: Python handlers, {calling.title}"
    return [counting, calling]


def _crossover(
    path: str, rounds: int, repeat: int, counts: Sequence[int], other: str, make: Callable[[], Any]
) -> Section:
    ways: dict[str, Callable[[], float]] = {}
    for k in counts:
        times = max(rounds // k, _PASSES)
        ways[f"none {k}"] = lambda k=k, times=times: measure_session(path, [], "jump", 0, k, times)  # type: ignore[misc]
        for mode in ("inline", other):
            ways[f"{mode} {k}"] = lambda mode=mode, k=k, times=times: measure_session(  # type: ignore[misc]
                path, _places(path, k, make), mode, 0, k, times
            )
    found = sample(ways, repeat)
    section = Section(f"ns that a hit adds, all of K in turn, inline and {other}")
    best, ahead = 0, True
    for k in counts:
        rows = {mode: found.added(f"{mode} {k}", f"none {k}") for mode in ("inline", other)}
        section.rows |= {f"{mode}, {k} probes": value for mode, value in rows.items()}
        ahead = ahead and rows["inline"] <= rows[other]
        best = k if ahead else best
    section.rows["inline is as good up to (probes)"] = best
    return section
