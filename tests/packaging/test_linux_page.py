"""docs/linux.md to the letter: its system call is added, and its program prints what it does on the host."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ROOT, zig_flags
from tests.warm_python import python

PAGE = (ROOT / "docs" / "linux.md").read_text()
GUEST = """
import os, sys
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 3:
    from uprobe_linux.syscalls.doors import DOORS, EMULATED
    DOORS["kcmp"] = EMULATED  # the name among _OURS
    import kcmp
import uprobe_core as up
with up.Session([sys.argv[2]], engine="py") as session:
    status = session.run().shell_status
os._exit(status)
"""


def example(name: str) -> str:
    """The code block that follows the comment ``<!-- example: NAME -->``."""
    match = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None, name
    return match[1]


def compiled(folder: Path, machine: str) -> Path:
    """The program of the page for *machine*."""
    source, target = folder / "kcmp.c", folder / f"kcmp-{machine}"
    source.write_text(example("kcmp.c"))
    words = [*zig_flags(f"{machine}-linux-musl"), str(source), "-o", str(target)]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *words], check=True)
    return target


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    (tmp_path / "kcmp.py").write_text(example("kcmp.py"))
    return compiled(tmp_path, "aarch64")


def test_without_it_the_call_is_not_there(guest: Path) -> None:
    done = python("-c", GUEST, str(guest.parent), str(guest))
    assert set(done.stdout.splitlines()) == {
        f"{line.split(':')[0]}: -38" for line in done.stdout.splitlines()
    }


def test_with_it_the_program_sees_what_it_sees_on_the_host(guest: Path) -> None:
    if platform.machine() not in {"x86_64", "aarch64"}:
        pytest.skip("the program is not built for this host")
    host = compiled(guest.parent, platform.machine())
    expected = subprocess.run([host], capture_output=True, text=True, check=True, timeout=60).stdout
    if "-38" in expected or "-1\n" in expected:
        pytest.skip("the host's kernel has no kcmp, or does not allow it")
    done = python("-c", GUEST, str(guest.parent), str(guest), "added")
    assert not done.stderr
    assert done.stdout == expected
