"""One set-up file, two backends: the same records and counts, but for times and process ids."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.gdbremote.conftest import needs_qemu
from tests.programs import ROOT

pytestmark = needs_qemu
SETUP = f"""
events = [
    "p:work {ROOT}/examples/loop:work a=%x0 name=+0(+8(%x1)):string",
    "r:ret {ROOT}/examples/loop:work rv=$retval",
]
consumers = ["trace", "count:event=work,by=a", "hist:event=ret,arg=rv,kind=log2"]

[target]
argv = ["{ROOT}/examples/loop", "6"]

[filters]
work = "a > 1"
"""


def found(setup: Path, backend: str) -> tuple[list[str], str]:
    """What a run writes, and what its program does."""
    words = [sys.executable, "-m", "uprobe_core.cli", "run", "-c", str(setup), "--backend", backend]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = [re.sub(r"^ *loop-\d+ .*: (work|ret): ", r"\1: ", line) for line in done.stderr.splitlines()]
    return lines, done.stdout


def test_the_same_file_gives_the_same_on_the_emulator_and_over_a_stub(tmp_path: Path) -> None:
    setup = tmp_path / "setup.toml"
    setup.write_text(SETUP)
    ours, theirs = found(setup, "gdbremote"), found(setup, "unicorn")
    assert ours == theirs
    assert sum(line.startswith("work: ") for line in ours[0]) == 4
