"""timerfd: one that nobody reads is quiet after its first expiry, and all are counted; as under a kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.linux.native import both, run_inside


def test_expiries_that_nobody_read_are_counted_but_told_of_once(tmp_path: Path) -> None:
    """On the host's clock that is late under load: what it prints then is at least this."""
    host, guest = both("timerfd_counts")
    lines = run_inside(guest, tmp_path).splitlines()
    assert lines == [
        "ready 1, less than one left, 10 expiries, then 0, then 3",
        "once: left 0, 1, then 0",
        "set anew: 0, then 1",
        "edges: 1 0 1, all counted",
    ]
    real = subprocess.run([host], capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
    assert real[1:] == lines[1:]
