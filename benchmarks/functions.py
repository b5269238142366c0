"""Many functions of a program that runs shortly: what ``-F`` costs where all is met for the first time."""

from __future__ import annotations

import os
import statistics
import sys

from benchmarks.report import Section
from benchmarks.whole_programs import seconds

__all__ = ("measure",)

_PYTHON = "/usr/bin/python3.11"
AT_MOST = {"count": 1.5, "summary": 4.0, "graph": 4.0}
"""Times the processor time of the run without a probe."""


def measure(repeat: int, sysroot: str | None) -> Section:
    """python3 imports json, with all its Py* functions; medians of ratios of interleaved runs."""
    section = Section("-F 'Py*' of a short python3, start-up included, times the run without")
    if not (sysroot and os.path.exists(sysroot + _PYTHON)):
        print(f"functions: left out, no {_PYTHON} in --sysroot {sysroot}", file=sys.stderr)
        return section
    run = [sys.executable, "-m", "uprobe_core.cli", "run", "-o", os.devnull]
    program = ["--sysroot", sysroot, "--", _PYTHON, "-c", "import json"]
    found: dict[str, list[float]] = {consumer: [] for consumer in AT_MOST}
    for _ in range(repeat):
        plain = seconds([*run, *program])
        for consumer in AT_MOST:
            found[consumer].append(seconds([*run, "-F", "Py*", "-C", consumer, *program]) / plain)
    for consumer, ratios in found.items():
        row = f"-C {consumer}"
        section.rows[row] = statistics.median(ratios)
        section.judge(row, "x", section.rows[row], at_most=AT_MOST[consumer])
    return section
