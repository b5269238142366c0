"""What single system calls cost, beside qemu-user: one guest with a mode and a count (programs/calls.c).

Every number is processor time of all processes, start-up aside: a run that makes none is taken off.
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

CALLS = {
    "getpid": ("getpid", 200_000),
    "clock_gettime": ("clock", 200_000),
    "read of 1 byte": ("read1", 200_000),
    "pread of 4096 bytes": ("read4096", 100_000),
    "pwrite of 1 byte": ("write1", 100_000),
    "pwrite of 4096 bytes": ("write4096", 100_000),
    "open and close, 7 components": ("open", 40_000),
    "stat, 7 components": ("stat", 40_000),
    "open, list and close a folder": ("getdents", 20_000),
    "write to and read from a pipe": ("pipe", 100_000),
    "epoll_wait, ready": ("epoll", 100_000),
    "mmap, touch and munmap": ("mmap", 10_000),
    "timerfd, wait and read": ("timerfd", 2_000),
    "futex, two threads in turns": ("futex", 5_000),
    "pipe, two processes in turns": ("pingpong", 1_000),
    "thread, made and joined": ("thread", 1_000),
    "fork and wait": ("fork", 40),
}
"""Row -> (mode of programs/calls.c, how often)."""


def measure(repeat: int) -> Section:
    """Microseconds of processor time for each; medians over interleaved rounds."""
    folder = tempfile.mkdtemp(prefix="uprobe-bench-")
    path = build("calls", folder)
    place = ["--bind", f"{folder}:/bench", "--cwd", "/bench", "--", "/bench/calls"]
    commands = {"uprobe": [sys.executable, "-m", "uprobe_core.cli", "run", *place]}
    if shutil.which("qemu-aarch64"):
        commands["qemu-user"] = ["qemu-aarch64", path]
    found: dict[str, list[float]] = {}
    before = os.getcwd()
    os.chdir(folder)  # where qemu-user's guest is
    try:
        for _ in range(repeat):
            for name, command in commands.items():
                for row, value in _one_round(name, command).items():
                    found.setdefault(row, []).append(value)
    finally:
        os.chdir(before)
        shutil.rmtree(folder)
    section = Section("system calls, us of processor time each")
    section.rows = {row: statistics.median(values) for row, values in found.items()}
    return section


def _one_round(name: str, command: list[str]) -> dict[str, float]:
    idle = seconds([*command, "none", "0"])
    return {
        f"{name}: {row}": (seconds([*command, mode, str(count)]) - idle) / count * 1e6
        for row, (mode, count) in CALLS.items()
    }


if __name__ == "__main__":
    from benchmarks.report import as_table

    print(as_table(measure(int(os.environ.get("REPEAT", "3")))))
