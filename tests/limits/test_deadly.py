"""A consumer whose C code ends the process: who is named, and what of the run is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, installed

pytest.importorskip("uprobe_core.native._engine")

CONSUMER = """
import ctypes
import os
import signal

class C:
    name = "third"

    def __init__(self, options): self.hits = 0
    def attach(self, event, context): return self
    def report(self): return None

    def handler(self, hit):
        self.hits += 1
        if self.hits == 3:
            DIES
"""
ABORT = "SIGABRT in code that is not Python's"
WAYS = {
    "abort": ("ctypes.CDLL(None).abort()", ABORT),
    "a signal": ("os.kill(os.getpid(), signal.SIGABRT)", ABORT),
    "a wrong pointer": ("ctypes.string_at(16)", "SIGSEGV in code that is not Python's"),
    "exit": ("ctypes.CDLL(None).exit(3)", "it called exit()"),
}


@pytest.mark.parametrize(
    ("engine", "way"),
    [("c", "abort"), ("c", "exit"), ("py", "abort")]
    + [pytest.param("c", way, marks=pytest.mark.thorough) for way in ("a signal", "a wrong pointer")],
)
def test_who_ends_the_process_is_named_and_records_are_kept(tmp_path: Path, engine: str, way: str) -> None:
    dies, what = WAYS[way]
    env = installed(tmp_path, "uprobe.consumers", "third_consumer:C", CONSUMER.replace("DIES", dies))
    out = tmp_path / "out"
    options = ["--engine", engine, "-o", str(out), "-C", "trace", "-C", "third", "-e", "p:work ./loop:work"]
    run = subprocess.run(
        [sys.executable, "-m", "uprobe_core.cli", "run", *options, "--", "./loop", "9"],
        cwd=EXAMPLES,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"uprobe: error: consumer 'third' of uprobes/work ended the process: {what};" in run.stderr
    assert run.returncode == 125
    assert out.read_text().count(" work: ") == 3
