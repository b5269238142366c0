"""Kill runs at any moment, and look at what is left: ``python -m tests.sandbox.killing --moments 200``.

Nothing may be left but the output, and in it every record up to the last second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.sandbox.attacks import left_behind, program, temporary_of
from tests.warm_python import PATHS

__all__ = ("READERS", "killed_after")


def _jsonl(data: bytes) -> list[int]:
    lines = data.decode().split("\n")
    return [record["args"]["n"] for record in map(json.loads, lines[:-1]) if "args" in record]


def _csv(data: bytes) -> list[int]:
    rows = data.decode().split("\r\n")[:-1]
    column = rows[0].split(",").index("n") if rows else 0
    return [int(row.split(",")[column], 0) for row in rows[1:]]


def _text(data: bytes) -> list[int]:
    return [int(line.rpartition("n=")[2], 0) for line in data.decode().split("\n")[:-1]]


READERS = {"jsonl": _jsonl, "csv": _csv, "tracefs": _text, "parquet": _jsonl}
"""The numbers n of whole records, by format."""
OUTPUTS = {"parquet": "out.part"}
"""Where they are, if not in the output."""
LAG = 1.0
"""Seconds before the kill from which on records may be missing."""


def killed_after(
    folder: Path, seconds: float, form: str, processes: int = 1, engine: str = "auto"
) -> tuple[list[int], int]:
    """Kill a run *seconds* after its start: the n of its records, and of the first process LAG before."""
    target, out = program("records"), folder / "out"
    temporary_of(folder).mkdir(exist_ok=True)
    words = ["--engine", engine, "-o", str(out), "--format", form, "-e", f"p:g/work {target}:work n=%x0:u64"]
    run = subprocess.Popen(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words, "--", str(target), str(processes)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(temporary_of(folder))},
    )
    time.sleep(max(seconds - LAG, 0))
    progress = folder / "progress"
    reached = int.from_bytes(progress.read_bytes(), "little") if progress.exists() else 0
    time.sleep(min(seconds, LAG))
    run.send_signal(signal.SIGKILL)
    if run.wait() != -signal.SIGKILL:
        raise AssertionError(f"the run ended by itself, with status {run.returncode}")
    deadline = time.monotonic() + 5
    while left_behind(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    readable = folder / OUTPUTS.get(form, "out")
    return READERS[form](readable.read_bytes() if readable.exists() else b""), reached


def problems_at(seconds: float, form: str, processes: int, engine: str) -> list[str]:
    """What is wrong after a kill at that moment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "work"
        folder.mkdir()
        numbers, reached = killed_after(folder, seconds, form, processes, engine)
        found = left_behind(folder)
        if numbers.count(1) > processes or not set(range(1, reached)) <= set(numbers):
            found.append(f"records are missing: {len(numbers)}, and {reached} were reached a second before")
        return found


def main() -> int:
    """Kill at random moments of the first seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chance, bad = random.Random(chosen.seed), 0
    for _ in range(chosen.moments):
        kind = chance.choice(list(READERS)), chance.choice((1, 1, 3)), chance.choice(("c", "py"))
        moment = chance.uniform(0, 3), *kind
        problems = problems_at(*moment)
        bad += bool(problems)
        if problems:
            print(moment, problems, flush=True)
    print(f"{chosen.moments} moments, {bad} of them bad")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
