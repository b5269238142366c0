"""Programs that attack what runs them, and what a run of one came to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.programs import zig
from tests.warm_python import PATHS

__all__ = ("Ended", "attack", "left_behind", "program")

BAD = (
    "Traceback (most recent call last)",
    "internal:",
    "this is a bug",
    "Fatal Python error",
    "AddressSanitizer",
)


def program(name: str) -> Path:
    """``programs/NAME.c`` as a static program."""
    return zig(f"../sandbox/programs/{name}.c", "-w")


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    :param status: of ``uprobe run``; negative for a signal that killed it
    :param seconds: that it took, start-up included
    """

    status: int
    out: str
    err: str
    seconds: float

    @property
    def complaints(self) -> list[str]:
        """What no program, file or input may bring about."""
        lines = [line for line in self.err.splitlines() if any(bad in line for bad in BAD)]
        return lines + ([f"killed by signal {-self.status}"] if self.status < 0 else [])


def attack(folder: Path, *words: str, timeout: float = 60, env: dict[str, str] | None = None) -> Ended:
    """``uprobe run WORDS`` in *folder*, with temporary files in *folder*/tmp."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(temporary), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def left_behind(folder: Path) -> list[str]:
    """Host processes that work in *folder*, and temporary files in it."""
    found = [f"file {path.name}" for path in (folder / "tmp").iterdir()]
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd").startswith(str(folder)):
                found.append(f"process {entry}: {Path('/proc', entry, 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found
