"""Guest programs for these tests, compiled once per run; skipped where there is no cross compiler."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def _compiler() -> list[str]:
    if shutil.which("aarch64-linux-gnu-gcc"):
        return ["aarch64-linux-gnu-gcc", "-static", "-pthread"]
    pytest.importorskip("ziglang")
    return [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """``build(name)``: the path of programs/NAME.c, compiled."""
    folder = tmp_path_factory.mktemp("programs")
    done: dict[str, str] = {}

    def make(name: str) -> str:
        if name not in done:
            target = folder / name
            source = PROGRAMS / f"{name}.c"
            subprocess.run([*_compiler(), "-O1", "-g", "-o", target, source], check=True)
            done[name] = str(target)
        return done[name]

    return make
