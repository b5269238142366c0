"""gdb-multiarch on qemu-aarch64, as the reference for stacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ("gdb_stacks", "run_gdb")

_SCRIPT = Path(__file__).with_name("gdb_walk.py")
_PATIENCE = 120.0


def gdb_stacks(
    program: Path, places: Sequence[str], folder: Path, *args: str, sysroot: str = ""
) -> list[list[str]]:
    """The stacks at every stop of *program* at *places* (gdb's words for them), innermost frame first.

    A frame is ``function+offset`` or ``<signal>``.  Skips where the tools are not installed.
    """
    found: list[list[str]] = run_gdb(_SCRIPT, program, list(places), folder, *args, sysroot=sysroot)
    return found


def run_gdb(script: Path, program: Path, places: object, folder: Path, *args: str, sysroot: str = "") -> Any:
    """What *script* writes down inside gdb, which is told *places*; skips without the tools."""
    for tool in ("gdb-multiarch", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    socket, result = folder / "gdb.socket", folder / "found.json"
    result.unlink(missing_ok=True)
    # A processor without SVE and pointer authentication: gdb 13 cannot read qemu's SVE signal frames.
    emulator = ["qemu-aarch64", "-cpu", "cortex-a57", "-g", str(socket)]
    command = [*emulator, *(["-L", sysroot] if sysroot else []), str(program), *args]
    asked = {"program": str(program), "socket": str(socket), "places": places}
    asked |= {"result": str(result), "sysroot": sysroot}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as guest:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            done = subprocess.run(
                ["gdb-multiarch", "-nx", "-q", "-batch", "-x", str(script)],
                env={**os.environ, "UPROBE_GDB_WALK": json.dumps(asked)},
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        finally:
            guest.kill()
    socket.unlink(missing_ok=True)
    assert result.exists(), done.stdout + done.stderr
    return json.loads(result.read_text(encoding="utf-8"))
