"""gdb-multiarch as a client: of a run of ours that has stopped, and of qemu-aarch64 as the reference."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = (
    "PATIENCE",
    "Ended",
    "environment",
    "needs_gdb",
    "run_gdb",
    "started",
    "values",
    "visit",
    "visit_qemu",
    "wait_until",
)

_SCRIPT = Path(__file__).with_name("gdb_visit.py")
PATIENCE = 120.0


def needs_gdb() -> None:
    """Skip where the tools are not installed."""
    for tool in ("gdb-multiarch", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


@dataclass
class Ended:
    """What became of a run, and what gdb said to its user."""

    status: int
    out: str
    err: str
    said: str = ""

    @property
    def records(self) -> list[str]:
        """Its lines of trace text."""
        return [line for line in self.err.splitlines() if "] ....." in line]


def environment() -> dict[str, str]:
    """Ours, without what pytest writes there at each step of a test: a longer one moves the clock.

    Above the stack of its functions a program has as much of it as gdb_visit.py reads.
    """
    own = {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return own | {"ABOVE_THE_STACK": "-" * 2048}


@contextmanager
def started(words: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``uprobe run`` with *words* in *folder*, which is killed if it does not end."""
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words]
    with (
        (folder / "err").open("w") as err,
        (folder / "out").open("w") as out,
        subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        ) as run,
    ):
        try:
            yield run
        finally:
            run.kill()


def wait_until(holds: Callable[[], bool], run: subprocess.Popen[bytes]) -> bool:
    """Wait for that, or for the end of *run*; whether it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def run_gdb(before: Sequence[str], steps: Sequence[str], folder: Path) -> list[Any]:
    result = folder / "seen.json"
    result.unlink(missing_ok=True)
    asked = {"before": list(before), "steps": list(steps), "result": str(result)}
    done = subprocess.run(
        ["gdb-multiarch", "-nx", "-q", "-batch", "-x", str(_SCRIPT)],
        env={**os.environ, "UPROBE_GDB_VISIT": json.dumps(asked)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.exists(), done.stdout + done.stderr
    (folder / "said").write_text(done.stdout + done.stderr)
    return json.loads(result.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def visit(
    program: Path, words: Sequence[str], steps: Sequence[str], folder: Path, *before: str
) -> tuple[list[Any], Ended]:
    """What gdb sees at *steps* after it has attached to the run with *words*, and how that ended."""
    needs_gdb()
    with started(["--gdb", "unix:gdb", *words], folder) as run:
        attach = [f"file {program}", *before, f"target remote {folder / 'gdb'}"]
        stopped = wait_until(lambda: "target remote" in (folder / "err").read_text(), run)
        seen = run_gdb(attach, steps, folder) if stopped else []
        run.wait(timeout=PATIENCE)
    texts = (
        (folder / name).read_text() if (folder / name).exists() else "" for name in ("out", "err", "said")
    )
    return seen, Ended(run.returncode, *texts)


def visit_qemu(program: Path, before: Sequence[str], steps: Sequence[str], folder: Path) -> list[Any]:
    """The same for *program* in qemu-aarch64, stopped before its first instruction when *before* begins."""
    needs_gdb()
    socket = folder / "qemu"
    with subprocess.Popen(
        ["qemu-aarch64", "-cpu", "neoverse-n1", "-g", str(socket), str(program)],
        env=environment(),
        stdout=subprocess.DEVNULL,
    ) as guest:
        try:
            wait_until(socket.exists, guest)
            return run_gdb([f"file {program}", f"target remote {socket}", *before], steps, folder)
        finally:
            guest.kill()


def values(folder: Path) -> list[tuple[int, int, str]]:
    """What gdb said of watched values to its user: old, new, and where, without addresses."""
    pattern = r"Old value = (.*)\nNew value = (.*)\n(?:0x[0-9a-f]+ in )?(.*)"
    found = re.findall(pattern, (folder / "said").read_text())
    return [(int(old), int(new), re.sub("0x[0-9a-f]+", "", where)) for old, new, where in found]
