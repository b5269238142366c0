"""Writes strace.txt: what strace says of tests/linux/programs/pointed.c, built for this machine.

``python -m tests.tracing.record_strace`` on Linux with strace; test_pointed.py compares with it everywhere.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tests.linux.native import both

__all__ = ("FIRST_PID", "RECORDED", "recorded")

RECORDED = Path(__file__).with_name("strace.txt")
FIRST_PID = 1000
"""In place of the host's: those that a guest has."""


def recorded() -> list[str]:
    """Lines of strace between the two that mark begin and end, of the first process alone."""
    program, _ = both("pointed")
    with tempfile.TemporaryDirectory() as folder:
        command = ["env", "-i", "strace", "-ff", "-o", "trace", str(program)]
        subprocess.run(command, cwd=folder, check=True)
        numbers = sorted((int(path.suffix[1:]), path) for path in Path(folder).glob("trace.*"))
        lines = numbers[0][1].read_text().splitlines()
    begin, end = (next(n for n, line in enumerate(lines) if mark in line) for mark in ('"/begin"', '"/end"'))
    text = "\n".join(lines[begin + 1 : end])
    for index, (pid, _) in enumerate(numbers):
        text = re.sub(rf"\b{pid}\b", str(FIRST_PID + index), text)
    return text.splitlines()


def main() -> None:
    """Record, with the version in the first line."""
    version = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=True)
    head = f"# {version.stdout.splitlines()[0]}: python -m tests.tracing.record_strace"
    RECORDED.write_text("\n".join([head, *recorded()]) + "\n")


if __name__ == "__main__":
    main()
