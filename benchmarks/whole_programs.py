"""Whole programs: uprobe beside qemu-user and Unicorn's default memory mode.

``python -m benchmarks.whole_programs [--repeat N] [--sysroot DIR] [--only NAME]``

Every number is processor time of the process and its children, start-up aside: the time of the
same program with nothing to do is taken off.  Runs are interleaved, the medians of the ratios count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.programs import build

__all__ = ("PROGRAMS", "Program", "measure", "rows", "seconds")

_SQL = """
create table t(a integer primary key, b text, c int);
insert into t with recursive k(x) as (select 0 union all select x+1 from k where x<{n})
  select x, 'name ' || x, x*7919%10007 from k;
create index i on t(c);
select count(*), sum(c), max(b) from t where c between 100 and 5000;
select c%10, count(*), group_concat(length(b), '') like '%77%' from t group by c%10 order by 1;
delete from t where a%3=0;
select count(*) from t where b like '%99%';
"""
_PYTHON = """
import sys
n = int(sys.argv[1])
found, words, total = {}, [], 0
for i in range(n):
    total = (total * 31 + i) % 1000003
    found[total % 997] = found.get(total % 997, 0) + 1
    words.append('w%d' % (total % 5000))
    if len(words) > 500:
        words = sorted(set(words))[:100]
class Node:
    def __init__(self, value, after):
        self.value, self.after = value, after
head = None
for i in range(n // 4):
    head = Node(i, head) if i % 100 else None
print(total, len(found), len(words))
"""


@dataclass(frozen=True)
class Program:
    """One program with something to do.

    :param source: programs/SOURCE.c, or "" for a program of the sysroot
    :param argv: of a program of the sysroot; {n} is the amount of work
    :param work: how much
    """

    name: str
    source: str
    argv: tuple[str, ...]
    work: int


PROGRAMS = (
    Program("sha256", "sha256", (), 40),
    Program("qsort", "sort", (), 25),
    Program("formatting", "text", (), 150),
    Program("write calls", "lines", (), 60),
    Program("heap", "heap", (), 150),
    Program("sqlite", "", ("/usr/bin/sqlite3", ":memory:", _SQL), 60000),
    Program("python", "", ("/usr/bin/python3", "-I", "-S", "-c", _PYTHON, "{n}"), 150000),
)


class _Ways:
    """Command lines for one program, by way of running it."""

    def __init__(self, program: Program, folder: str, sysroot: str | None) -> None:
        self._program = program
        self._sysroot = sysroot
        self._path = build(program.source, folder) if program.source else ""

    def _argv(self, work: int) -> list[str]:
        if self._path:
            return [self._path, str(work)]
        return [text.replace("{n}", str(work)) for text in self._program.argv]

    def _options(self) -> list[str]:
        # The folder of the program is bound, since a program's /tmp is its own.
        if self._path:
            folder = os.path.dirname(self._path)
            return ["--bind", f"{folder}:{folder}:ro"]
        return ["--sysroot", f"{self._sysroot}:ro"]

    def _malloc(self) -> list[str]:
        file = self._path or (
            "/lib/ld-musl-aarch64.so.1" if self._is_musl() else "/lib/aarch64-linux-gnu/libc.so.6"
        )
        return ["-e", f"p:m {file}:malloc", "-C", "count"]

    def _is_musl(self) -> bool:
        return os.path.exists(f"{self._sysroot}/lib/ld-musl-aarch64.so.1")

    def all(self, work: int) -> dict[str, list[str]]:
        """Way -> command."""
        argv, options = self._argv(work), self._options()
        ours = [sys.executable, "-m", "uprobe_core.cli", "run", *options]
        modes = [sys.executable, "-m", "benchmarks.default_mode"]
        found = {"uprobe": [*ours, "--", *argv], "malloc": [*ours, *self._malloc(), "--", *argv]}
        found["pages"] = [*modes, "pages", "run", *options, "--", *argv]
        if self._path:
            found["raw"] = [*modes, "raw", *argv]
        if shutil.which("qemu-aarch64"):
            library = [] if self._path else ["-L", str(self._sysroot), f"{self._sysroot}{argv[0]}"]
            found["qemu"] = ["qemu-aarch64", *library, *(argv[1:] if library else argv)]
        return found


def seconds(command: list[str]) -> float:
    """Processor time of *command* and its children."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{command}: status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _measure_one(ways: _Ways, work: int, repeat: int) -> dict[str, list[float]]:
    """Way -> net seconds of each round; interleaved, so that all ways share the machine's moods."""
    busy, idle = ways.all(work), ways.all(0)
    found: dict[str, list[float]] = {way: [] for way in busy}
    for _ in range(repeat):
        for way in busy:
            found[way].append(seconds(busy[way]) - seconds(idle[way]))
    return found


def _ratio(found: dict[str, list[float]], above: str, below: str) -> float:
    return statistics.median(a / b for a, b in zip(found[above], found[below], strict=True))


_ROWS = (
    ("uprobe, times qemu-user", "uprobe", "qemu"),
    ("Unicorn's default memory mode (raw), times uprobe", "raw", "uprobe"),
    ("every page entered executable, times uprobe", "pages", "uprobe"),
    ("malloc counted, times unprobed", "malloc", "uprobe"),
)


def _rows(name: str, found: dict[str, list[float]]) -> Iterator[tuple[str, float]]:
    yield f"{name}: uprobe (s)", statistics.median(found["uprobe"])
    for text, above, below in _ROWS:
        if above in found and below in found:
            yield f"{name}: {text}", _ratio(found, above, below)


def rows(repeat: int, sysroot: str | None = None, only: str = "") -> Iterator[tuple[str, float]]:
    """What :func:`measure` answers, row by row as it is measured."""
    sysroot = sysroot or os.environ.get("UPROBE_BENCH_SYSROOT")
    if not shutil.which("qemu-aarch64"):
        print("no qemu-aarch64: rows that compare with it are left out", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="uprobe-bench-") as folder:
        for program in PROGRAMS:
            if only not in program.name:
                continue
            if not program.source and not (sysroot and os.path.exists(sysroot + program.argv[0])):
                where = f"in --sysroot {sysroot}"
                print(f"{program.name}: left out, no {program.argv[0]} {where}", file=sys.stderr)
                continue
            found = _measure_one(_Ways(program, folder, sysroot), program.work, repeat)
            yield from _rows(program.name, found)


def measure(repeat: int, sysroot: str | None = None, only: str = "") -> dict[str, float]:
    """Rows of seconds and ratios, by name.

    :param sysroot: a folder with an arm64 system that has sqlite3 and python3, by default
        $UPROBE_BENCH_SYSROOT; without one their rows are left out, which is said on standard error
    :param only: a part of the names of the programs to measure
    """
    return dict(rows(repeat, sysroot, only))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.whole_programs", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sysroot", help="an arm64 system with sqlite3 and python3")
    parser.add_argument("--only", default="", help="programs whose name has this part")
    options = parser.parse_args()
    for name, value in rows(options.repeat, options.sysroot, options.only):
        print(f"{name:<70} {value:8.2f}", flush=True)


if __name__ == "__main__":
    main()
