"""What the emulator runs is not the guest's to change, wherever the working directory is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from uprobe_linux.fs.own_files import inside, own_places

from tests.linux.guests import TIMEOUT, build
from tests.programs import ROOT

_SESSION = """
import os, sys
import mine
import uprobe_core as up
with up.Session(sys.argv[1:], output=os.devnull) as session:
    session.run()
import fractions_of_ours, colorsys
print("mine", mine.__file__, colorsys.__file__, fractions_of_ours.WHO)
"""


def guest_writes(place: Path, *paths: str) -> list[str]:
    """What a program that writes *paths* in *place* says, then what the session imports afterwards."""
    roots = [str(place / "lib"), *(str(ROOT / part) for part in (".", "backends", "decoders", "plugins"))]
    done = subprocess.run(
        [sys.executable, "-c", _SESSION, str(build("writes")), *paths],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        cwd=place,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_a_guest_changes_no_module_of_its_emulator_and_hides_none(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mine.py").write_text("")
    (tmp_path / "lib" / "fractions_of_ours.py").write_text("WHO = 'ours'")
    said = guest_writes(tmp_path, "lib/mine.py", "plain", "colorsys.py", "lib/colorsys.py")
    assert said[:4] == ["Read-only file system", "ok", "ok", "ok"]
    assert said[4].split()[0] == "mine"
    assert not said[4].split()[2].startswith(str(tmp_path))


def test_a_package_that_is_imported_is_read_only_as_a_whole(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "lib" / "fractions_of_ours.py").write_text("WHO = 'ours'")
    said = guest_writes(tmp_path, "lib/mine/later.py", "lib/mine/__init__.py")
    assert said[:2] == ["Read-only file system"] * 2


def test_our_own_places_are_the_interpreter_its_libraries_and_us() -> None:
    places = own_places()
    for needed in (sys.executable, os.__file__, str(ROOT / "uprobe_core" / "cli")):
        assert any(inside(os.path.realpath(needed), place) for place in places), needed
    assert all(not inside(a, b) for a in places for b in places if a != b)
