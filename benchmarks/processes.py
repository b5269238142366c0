"""What a process costs that the program starts: fork, fork and exec, vfork and exec, beside qemu-user.

Every number is processor time of all processes, start-up aside: a run that starts none is taken off.
Under qemu-user an executed program is another qemu-user, which is measured by starting it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile

from benchmarks.programs import build
from benchmarks.report import Section
from benchmarks.whole_programs import seconds

__all__ = ("measure",)

COUNT = 40
WAYS = ("fork", "exec", "vfork")
TITLES = {"fork": "fork", "exec": "fork and exec", "vfork": "vfork and exec"}
MOST_MS = 10.0
"""What a fork and exec of a small program may take."""


def measure(repeat: int) -> Section:
    """Milliseconds of processor time for each process; medians over interleaved rounds."""
    folder = tempfile.mkdtemp(prefix="uprobe-bench-")
    path = build("forks", folder)
    bound = ["--bind", f"{folder}:{folder}:ro"]
    commands = {"uprobe": [sys.executable, "-m", "uprobe_core.cli", "run", *bound]}
    probe = ["-C", "count", "-e", f"p:m {path}:main"]
    commands["uprobe, probed"] = [*commands["uprobe"], *probe]
    if shutil.which("qemu-aarch64"):
        commands["qemu-user"] = ["qemu-aarch64"]
    found: dict[str, list[float]] = {}
    for _ in range(repeat):
        for name, command in commands.items():
            for row, value in _one_round(name, [*command, path]).items():
                found.setdefault(row, []).append(value)
    shutil.rmtree(folder)
    section = Section("processes, ms of processor time each")
    section.rows = {row: statistics.median(values) for row, values in found.items()}
    for row in ("uprobe: fork and exec", "uprobe: vfork and exec"):
        section.judge(row, "ms", section.rows[row], at_most=MOST_MS)
    return section


def _one_round(name: str, command: list[str]) -> dict[str, float]:
    idle = seconds([*command, "0"])
    rows = {}
    for way in WAYS:
        if name == "qemu-user" and way != "fork":
            continue
        busy = seconds([*command, str(COUNT), way])
        rows[f"{name}: {TITLES[way]}"] = (busy - idle) / COUNT * 1e3
    if name == "qemu-user":
        rows["qemu-user: started for a program"] = idle * 1e3
    return rows


if __name__ == "__main__":
    from benchmarks.report import as_table

    print(as_table(measure(int(os.environ.get("REPEAT", "3")))))
