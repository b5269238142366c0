"""docs/map.md names every room, and no room that is not there."""

from __future__ import annotations

import re

import pytest

from tests.programs import ROOT

MAP = (ROOT / "docs" / "map.md").read_text()


def section(title: str) -> str:
    return MAP.partition(f"## `{title}`\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "folder"), [("uprobe_core", "uprobe_core"), ("uprobe_linux", "backends/uprobe_linux")]
)
def test_every_room_has_a_row_and_every_row_a_room(title: str, folder: str) -> None:
    rooms = {each.name for each in (ROOT / folder).iterdir() if (each / "__init__.py").is_file()}
    rows = {
        name
        for row in re.findall(r"^\|(.*?)\|", section(title), re.M)
        for name in re.findall(r"`([a-z_]+)/`", row)
    }
    assert rows == rooms


def test_files_that_the_map_sends_to_are_there() -> None:
    bases = [ROOT, ROOT / "uprobe_core", ROOT / "backends", ROOT / "backends" / "uprobe_linux"]
    table = MAP.partition("## Where does it go?")[2]
    for name in re.findall(r"`((?:[a-z0-9_]+/)+[a-z0-9_*]+\.(?:py|c))`", table):
        assert any(list(base.glob(name)) for base in bases), name
