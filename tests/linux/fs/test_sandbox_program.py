"""Without a sysroot a program is found however it is spelled, though the guest has a /tmp of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import FRAME_POINTERS, zig


@pytest.fixture
def below_tmp() -> Iterator[Path]:
    """A folder below the host's /tmp, which the guest does not see as a whole."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def hits(program: Path) -> object:
    with up.Session([str(program)], output="/dev/null") as session:
        calls = session.probe(f"p:main {program}:main", up.Count())
        session.run()
    return calls.result()


@pytest.mark.parametrize("spelling", ["plain", "link to the file", "link to the folder"])
def test_a_program_below_tmp_is_found_as_it_is_spelled(
    below_tmp: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir("/")
    folder = below_tmp / "folder"
    folder.mkdir()
    program = folder / "program"
    program.write_bytes(zig("stacks.c", *FRAME_POINTERS).read_bytes())
    program.chmod(0o755)
    (below_tmp / "file-link").symlink_to(program)
    (below_tmp / "folder-link").symlink_to(folder)
    path = {
        "plain": program,
        "link to the file": below_tmp / "file-link",
        "link to the folder": below_tmp / "folder-link" / "program",
    }[spelling]
    assert hits(path) == 1
