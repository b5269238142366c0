"""Running ``uprobe`` as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.warm_python import PATHS, ROOT, python

__all__ = ("EXAMPLES", "LOOP", "PATHS", "ROOT", "uprobe", "uprobe_json")

EXAMPLES = ROOT / "examples"
LOOP = EXAMPLES / "loop"


def uprobe(
    *arguments: str, stdin: str = "", cwd: Path = EXAMPLES, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``uprobe`` with *arguments*; working directory is ``examples/``, where ./loop is."""
    return python("-m", "uprobe_core.cli", *arguments, stdin=stdin, cwd=cwd, env=env)


def uprobe_json(*arguments: str, stdin: str = "") -> Any:
    """The JSON document that a command prints."""
    return json.loads(uprobe(*arguments, "--json", stdin=stdin).stdout)


def installed(folder: Path, group: str, target: str, source: str) -> dict[str, str]:
    """The environment in which the plugin "third" of *group* is installed.

    :param target: "module:attribute"
    :param source: of the module
    """
    (folder / f"{target.partition(':')[0]}.py").write_text(source)
    info = folder / "third-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nthird = {target}\n")
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{before}" if before else str(folder)}
