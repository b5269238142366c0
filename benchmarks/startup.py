"""What is paid once: starting the command, opening a session; and what a kept record takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import uprobe_core as up
from benchmarks.cases import ENTRY, Discard, measure_session, quietly
from benchmarks.endurance import memory_in_use
from benchmarks.report import Section

__all__ = ("measure_records", "measure_start")

_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Of who uses an installation: what was imported and compiled once is kept for the next run."""
MOST_MS = 120.0
"""What hello world with a probe may take beyond Python's own start; wall time, too, on an idle machine."""


def _run(command: list[str]) -> tuple[float, float]:
    """(milliseconds on the wall, of processor time)."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{command}: status {process.returncode}")
    return (time.perf_counter() - start) * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def measure_start(path: str, repeat: int) -> Section:
    """*path*: a program that prints one line."""
    script = os.path.join(os.path.dirname(sys.executable), "uprobe")
    uprobe = [script] if os.path.exists(script) else [sys.executable, "-m", "uprobe_core.cli"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "uprobe --help": [*uprobe, "--help"],
        "uprobe run, hello world": [*uprobe, "run", path, "0"],
        "uprobe run, hello world, one probe": [*uprobe, "run", "-e", f"p {path}:main", path, "0"],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for command in commands.values():
        _run(command)  # keeps what it imports
    for _ in range(repeat):
        for name, command in commands.items():
            times[name].append(_run(command))
    section = Section("start-up, ms")
    for name, measured in times.items():
        section.rows[f"{name}, wall"] = statistics.median(wall for wall, _ in measured)
        section.rows[f"{name}, processor"] = statistics.median(cpu for _, cpu in measured)
    row = "uprobe run, hello world, one probe, processor"
    more = section.rows[row] - section.rows["python -c pass, processor"]
    section.judge(row, "more than python -c pass, ms", more, at_most=MOST_MS)
    section.rows["another session in a running process, processor"] = statistics.median(
        _warm(path) for _ in range(repeat)
    )
    return section


def _warm(path: str) -> float:
    start = time.process_time()
    measure_session(path, [], "inline", 10)
    return (time.process_time() - start) * 1e3


def measure_records(path: str) -> Section:
    """Bytes of a record of four registers in the engine's ring, and of two arguments kept in Python."""
    section = Section("memory of a record, bytes")
    with quietly(), up.Session([path, "1000"], output=os.devnull, lossy=1000) as session:
        session.probe(ENTRY.format(path=path), Discard())
        session.open()
        native = session._native  # a benchmark looks inside
        if native is not None:
            sizes: list[float] = []

            def look() -> None:
                with memoryview(native.engine) as view:
                    sizes.append(len(view) / max(native.engine.records, 1))

            native.records.drain = look  # type: ignore[method-assign]
            session.run()
            section.rows["in the ring, 4 registers"] = max(sizes)
    command = [sys.executable, "-m", "benchmarks.startup", path]
    kept = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    section.rows["up.Record, 2 arguments"] = float(kept)
    return section


def _kept_record(path: str, count: int = 200_000) -> float:
    """Bytes by which a fresh process grows for each record that it keeps."""
    with quietly(), up.Session([path, str(count)], output=os.devnull) as session:
        record = session.probe(ENTRY.format(path=path), up.Record("a", "b"))
        session.open()
        before = memory_in_use()
        session.run()
        return (memory_in_use() - before) / len(record.result())


if __name__ == "__main__":
    print(_kept_record(sys.argv[1]))
