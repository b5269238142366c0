"""Running ``uprobe`` as a user does, in a process of its own."""

from __future__ import annotations

import json
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
