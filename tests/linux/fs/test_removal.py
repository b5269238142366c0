"""What a program leaves in the run's own folder, however deep it is, is no error of the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from uprobe_linux.fs import sandbox


def test_folders_deeper_than_python_calls_itself(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(sys.getrecursionlimit() + 100):
        os.mkdir("d", dir_fd=inner)
        inner, outer = os.open("d", os.O_RDONLY, dir_fd=inner), inner
        os.close(outer)
    os.close(inner)
    try:
        sandbox._remove(str(folder), os.getpid(), ours=False)
        assert folder.exists()  # it is left to who removes it otherwise
        sandbox._remove(str(folder), os.getpid(), ours=True)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
