"""What the host is short of is said by its name, and is nobody's bug."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.attacks import program
from tests.warm_python import PATHS


def limited(folder: Path, which: int, most: int, *words: str) -> subprocess.CompletedProcess[str]:
    """``uprobe run WORDS`` under a limit of the host's."""
    return subprocess.run(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
        preexec_fn=lambda: resource.setrlimit(which, (most, most)),  # no thread runs here
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_may_open_what_256_descriptors_leave(tmp_path: Path) -> None:
    limits = str(program("limits"))
    done = limited(tmp_path, resource.RLIMIT_NOFILE, 256, "--", limits, "descriptors", "300")
    assert done.returncode == 0
    count = int(done.stdout.split()[0])
    assert 150 < count < 256
    assert done.stdout == f"{count} descriptors, errno 24\n"


def test_a_pipe_that_the_host_has_no_room_for_changes_nothing(tmp_path: Path) -> None:
    """A kernel writes no numbers then; the program would go on with descriptor 0."""
    done = limited(tmp_path, resource.RLIMIT_NOFILE, 256, "--", str(program("limits")), "fill", "pipe")
    assert done.stdout.endswith("then No file descriptors available\n")


@pytest.mark.parametrize(
    ("which", "most", "word"),
    [
        (resource.RLIMIT_NOFILE, 12, "ulimit -n"),
        (resource.RLIMIT_NOFILE, 18, "ulimit -n"),
        (resource.RLIMIT_AS, 1 << 30, "ulimit -v"),
        (resource.RLIMIT_FSIZE, 1 << 20, "ulimit -f"),
    ],
)
def test_a_limit_that_is_in_the_way_is_named(tmp_path: Path, which: int, most: int, word: str) -> None:
    done = limited(tmp_path, which, most, "--", str(program("limits")))
    assert done.returncode == 125
    assert word in done.stderr
    assert "bug" not in done.stderr
