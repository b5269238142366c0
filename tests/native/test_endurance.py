"""Memory does not grow with hits: a short run of the benchmark that does it with a hundred million."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

ROOT = Path(__file__).parents[2]
NOISE = 256 << 10
"""Bytes that a process may grow by for reasons of its own."""


@pytest.mark.slow
def test_no_case_grows_from_the_middle_to_the_end(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    folders = [str(ROOT), *(p for p in sys.path if p)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, "-m", "benchmarks.endurance", "--hits", "8000000", "--json", str(out)]
    subprocess.run(command, env=env, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=280)
    cases = json.loads(out.read_text())
    assert sum(case["hits"] for case in cases.values()) == 8_000_000
    grown = {name: case["memory"][15] - case["memory"][7] for name, case in cases.items()}
    assert {name: size for name, size in grown.items() if size > NOISE} == {}
    assert cases["count by ever new keys"]["lost"] == 400_000 - (1 << 17)
