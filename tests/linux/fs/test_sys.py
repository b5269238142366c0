"""/sys says how many CPUs there are, with and without a sysroot; a system that brings its own has that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.linux.guests import build
from tests.linux.native import run_inside


@pytest.mark.parametrize("system", ["none", "without /sys", "with an empty /sys", "with its own"])
def test_the_one_cpu_has_its_folder(system: str, tmp_path: Path) -> None:
    """As on a kernel with one CPU: lscpu, stress-ng and C libraries look there."""
    program = build("cpus")
    if system == "none":
        assert run_inside(program, tmp_path) == "1 1 1 0\n"
        return
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(program, root / "cpus")
    if "without" not in system:
        (root / "sys").mkdir()
    if "own" in system:
        (root / "sys" / "devices").mkdir()
    found = run_inside(Path("/cpus"), tmp_path, sysroot=root)
    assert found == ("1 1 0 none\n" if "own" in system else "1 1 1 0\n")
