"""USDT markers on the command line: listed with provider, name and operands, and probed by name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import uprobe, uprobe_json
from tests.programs import zig


@pytest.fixture(scope="module")
def marked() -> Path:
    """The program ``tests/guest/marker.c``."""
    return zig("marker.c")


def test_markers_are_listed_with_what_their_note_says(marked: Path) -> None:
    readelf = shutil.which("readelf") or shutil.which("aarch64-linux-gnu-readelf")
    if readelf is None:
        pytest.skip("needs readelf (binutils), the reference for notes")
    note = subprocess.run([readelf, "-nW", marked], capture_output=True, text=True, check=True).stdout
    (found,) = uprobe_json("list", str(marked), "tick")["markers"]
    assert (found["provider"], found["name"], found["semaphore"]) == ("app", "tick", 0)
    assert f"Location: {found['address']:#018x}" in note
    assert f"Arguments: {found['operands']}" in note


def test_a_glob_may_name_the_provider(marked: Path) -> None:
    assert len(uprobe_json("list", str(marked), "app:*")["markers"]) == 1
    assert uprobe_json("list", str(marked), "other:*")["markers"] == []


def test_what_list_shows_can_stand_in_an_event_line(marked: Path) -> None:
    (row,) = [line for line in uprobe("list", str(marked)).stdout.splitlines() if "sdt:" in line]
    place = row.split()[3]
    assert place == "sdt:app:tick"
    done = uprobe("run", "-e", f"p:tick {marked}:{place}", "--", str(marked))
    values = [line.split(") ")[1] for line in done.stderr.splitlines() if ": tick: (" in line]
    assert values == ["arg1=1000 arg2=0", "arg1=1001 arg2=-1", "arg1=1002 arg2=-2"]
    assert done.stdout == "done\n"
