"""Running ``uprobe`` as a user does, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LOOP = EXAMPLES / "loop"
PATHS = [ROOT, ROOT / "backends", ROOT / "decoders", ROOT / "plugins"]


def uprobe(
    *arguments: str, stdin: str = "", cwd: Path = EXAMPLES, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``uprobe`` with *arguments*; working directory is ``examples/``, where ./loop is."""
    return subprocess.run(
        [sys.executable, "-m", "uprobe_core.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
        check=False,
    )


def uprobe_json(*arguments: str, stdin: str = "") -> Any:
    """The JSON document that a command prints."""
    return json.loads(uprobe(*arguments, "--json", stdin=stdin).stdout)
