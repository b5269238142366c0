"""What a hit costs in each mode, beside the same job from C on the bare emulator."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.cases import BARE, CASES, measure_bare, measure_session
from benchmarks.meter import Samples, sample
from benchmarks.report import Section

__all__ = ("measure",)

MODES = ("inline", "jump", "trap", "auto")
_SLOW, _SLOWEST = 5, 20
"""Our calls into Python are measured over so many times fewer calls, those of the binding as well."""
_PYTHON = ("Python", "package")


def _ways(path: str, rounds: int) -> dict[str, Callable[[], float]]:
    ways: dict[str, Callable[[], float]] = {}
    for name, prepare in BARE.items():
        count = rounds // _SLOWEST if any(word in name for word in _PYTHON) else rounds
        ways[name] = lambda prepare=prepare, count=count: measure_bare(path, prepare, count)  # type: ignore[misc]
    ways["no probe"] = lambda: measure_session(path, [], "inline", rounds)
    for mode in MODES:
        for name, (line, make) in CASES.items():
            count = rounds // _SLOW if "Python" in name else rounds
            ways[f"{mode}: {name}"] = lambda mode=mode, line=line, make=make, count=count: (  # type: ignore[misc]
                measure_session(path, [(line, make())], mode, count)
            )
    ways["no probe, few calls"] = lambda: measure_session(path, [], "inline", rounds // _SLOW)
    return ways


def measure(path: str, rounds: int, repeat: int) -> list[Section]:
    """Nanoseconds that a hit adds to a call."""
    found = sample(_ways(path, rounds), repeat)
    bare = Section(
        "bare libunicorn, ns that a hit adds", {"raw loop (ns per call)": found.median("raw loop")}
    )
    for name in list(BARE)[1:]:
        bare.rows[name] = found.added(name, "raw loop")
    sections = [bare]
    for mode in MODES:
        section = Section(f"{mode}, ns that a hit adds")
        for name in CASES:
            base = "no probe, few calls" if "Python" in name else "no probe"
            section.rows[f"{mode}: {name}"] = found.added(f"{mode}: {name}", base)
        sections.append(section)
        _judge(section, mode, bare.rows)
    sections[0].rows["no probe, under the personality (ns per call)"] = found.median("no probe")
    return [*sections, _beside_package(sections, found)]


def _judge(section: Section, mode: str, bare: dict[str, float]) -> None:
    """The promises of each mode: ratios of what is added."""
    rows, hook = section.rows, bare["raw C hook: count"]
    counted = f"{mode}: count"
    if mode == "inline":
        stored, followed = f"{mode}: record 4 registers", f"{mode}: entry + return latency"
        section.judge(counted, "raw C hook x", rows[counted] / hook, at_most=2)
        section.judge(
            stored, "raw C hook that stores x", rows[stored] / bare["raw C hook: 4 registers"], at_most=2
        )
        section.judge(followed, "raw C hook that counts x", rows[followed] / hook, at_most=8)
        section.judge(
            followed, "two raw C hooks x", rows[followed] / bare["raw C hooks: entry and return"], at_most=8
        )
    elif mode == "jump":
        scheme = bare["raw branch + slot: count"]
        section.judge(counted, "raw branch and slot x", rows[counted] / scheme, at_most=2)
    elif mode == "trap":
        section.judge(counted, "raw BRK and slot x", rows[counted] / bare["raw BRK + slot: count"], at_most=2)
    if mode in ("inline", "auto"):
        handler = f"{mode}: Python handler"
        section.judge(handler, "ns", rows[handler], at_most=1000)
        times = bare["unicorn package: count"] / rows[handler]
        section.judge(handler, "faster than the unicorn package by", times, at_least=5)


def _beside_package(sections: list[Section], found: Samples) -> Section:
    """How many times faster than a script on the unicorn package."""
    package, auto = sections[0].rows, sections[-1].rows
    pairs = {
        "count": "count",
        "4 registers": "record 4 registers",
        "entry + return latency": "entry + return latency",
    }
    rows = {
        name: package[f"unicorn package: {name}"] / max(auto[f"auto: {ours}"], 0.1)
        for name, ours in pairs.items()
    }
    return Section("times faster than hooks through the unicorn package (auto)", rows)
