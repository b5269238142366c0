"""A step of CI ends with all that it has started, in its time or with a word about where it stands."""

from __future__ import annotations

import subprocess
import sys
from tempfile import TemporaryDirectory

from tests.programs import ROOT


def bounded(seconds: int, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / ".ci" / "bounded.py"), str(seconds), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_the_exit_status_is_the_commands() -> None:
    assert [bounded(30, "sh", "-c", f"exit {n}").returncode for n in (0, 3)] == [0, 3]
    assert bounded(30, "sh", "-c", "kill -TERM $$").returncode == 128 + 15


def test_what_a_command_leaves_behind_does_not_hold_its_output() -> None:
    done = bounded(30, "sh", "-c", "setsid sh -c 'trap \"\" TERM HUP; sleep 300' & echo done; exit 1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "done\n", "")


def test_an_orphan_that_ends_is_gone() -> None:
    watch = "until [ -s pid ]; do sleep 0.01; done; while [ -e /proc/$(cat pid) ]; do sleep 0.01; done"
    with TemporaryDirectory() as folder:
        orphan = "(sh -c 'echo $$ >pid' &)"
        assert bounded(30, "sh", "-c", f"cd {folder}; {orphan}; {watch}").returncode == 0


def test_a_command_that_stands_still_is_ended_and_says_where() -> None:
    code = "import faulthandler, time; faulthandler.enable(); time.sleep(300)"
    done = bounded(2, sys.executable, "-c", code)
    assert done.returncode == 124
    assert done.stderr.startswith("bounded: not done after 2 s: ")
    assert "Fatal Python error: Aborted" in done.stderr
