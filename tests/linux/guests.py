"""Build and run the guest programs of these tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.programs import zig
from tests.warm_python import python

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "recorded"
TIMEOUT = 90


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    stdout: str
    stderr: str
    status: int


def build(name: str) -> Path:
    """``programs/NAME.c`` as a static program."""
    return zig(f"../linux/programs/{name}.c", "-w")


def run(program: Path, *argv: str, seed: int = 0, processes: int = 0) -> Outcome:
    """Run *program* in a host process of its own, so that guest forks and host signals disturb nobody."""
    words = [str(HERE / "run_guest.py"), str(seed), str(processes), str(program), *argv]
    done = python(*words, cwd=program.parent, timeout=TIMEOUT)
    return Outcome(done.stdout, done.stderr, done.returncode)
