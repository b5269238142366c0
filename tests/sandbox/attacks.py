"""Programs that attack what runs them, and what a run of one came to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.programs import zig
from tests.warm_python import PATHS

__all__ = (
    "REQUIRED",
    "USER",
    "Ended",
    "attack",
    "left_behind",
    "program",
    "temporary_of",
    "user_namespaces",
    "walled",
)

USER = ("unshare", "--user", "--map-user=4242", "--map-group=4242")
"""Runs a command as a user without rights, where user_namespaces() are to be had."""
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


@cache
def user_namespaces() -> bool:
    """Whether USER works here."""
    return (
        shutil.which(USER[0]) is not None
        and subprocess.run([*USER, "true"], check=False, capture_output=True).returncode == 0
    )


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


_as_user = [pytest.mark.thorough, pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here")]
REQUIRED = (
    pytest.param("require", (), id="require", marks=pytest.mark.thorough),
    pytest.param("require", USER, id="require-user", marks=_as_user),
)
"""(wall, through) where all of the outer wall is there, as oneself and as a user without rights."""


def temporary_of(folder: Path) -> Path:
    """Where runs in *folder* have their temporary files: beside it, as usual."""
    return folder.with_name(folder.name + "-temporary")


def attack(
    folder: Path,
    *words: str,
    timeout: float = 60,
    env: dict[str, str] | None = None,
    through: Sequence[str] = (),
    stdin: int = subprocess.DEVNULL,
) -> Ended:
    """``uprobe run WORDS`` in *folder*, with temporary files in temporary_of(*folder*).

    :param through: a command that runs it, as somebody else for example
    """
    temporary = temporary_of(folder)
    temporary.mkdir(exist_ok=True)
    start = time.monotonic()
    done = subprocess.run(
        [*through, sys.executable, "-m", "uprobe_core.cli", "run", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(temporary), **(env or {})},
        stdin=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def walled(ended: Ended) -> Ended:
    """*ended*; skips the test where a wall was required that cannot be had here."""
    if ended.status == 125 and "not all of the sandbox" in ended.err:
        pytest.skip(ended.err)
    return ended


def left_behind(folder: Path) -> list[str]:
    """Host processes that work in *folder*, and temporary files in it."""
    found = [f"file {path.name}" for path in temporary_of(folder).iterdir()]
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd").startswith(str(folder)):
                found.append(f"process {entry}: {Path('/proc', entry, 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found
