"""What is lost is said, counted, and the run's status is 125."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sandbox.attacks import left_behind, program, temporary_of
from tests.warm_python import PATHS


def children(pid: int) -> list[int]:
    """Host processes that *pid* has forked, the shell that waits for it left out."""
    found = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in found if Path(f"/proc/{child}/comm").read_text() != "sh\n"]


@pytest.mark.thorough
def test_a_process_that_somebody_kills_is_a_loss(tmp_path: Path) -> None:
    target = program("records")
    temporary_of(tmp_path).mkdir()
    words = ["--timeout", "6", "-o", "out", "-e", f"p:g/work {target}:work n=%x0:u64", "--", str(target), "2"]
    run = subprocess.Popen(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(temporary_of(tmp_path))},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "progress").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    (child,) = children(run.pid)
    os.kill(child, signal.SIGKILL)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 125, err
    assert "what 1 process of the program found last is lost" in err
    assert left_behind(tmp_path) == []
