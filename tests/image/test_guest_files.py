"""Which paths of event lines lead to files: as the host's kernel finds them, and a recorded one (6.12)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from uprobe_core.backend import Bind
from uprobe_core.image.guest_files import GuestFiles


@pytest.mark.parametrize(
    "path", ["file", "./file", "link", "file/", "link/", "file/.", "folder/", "folder/.", "gone/"]
)
@pytest.mark.parametrize("bound", [False, True])
def test_a_path_leads_where_it_leads_a_kernel(path: str, bound: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    files = (
        GuestFiles(cwd="/b", binds=[Bind(str(tmp_path), "/b")]) if bound else GuestFiles(cwd=str(tmp_path))
    )
    try:
        os.stat(f"{tmp_path}/{path}")
        expected = ""
    except OSError as error:
        expected = errno.errorcode[error.errno or 0]
    assert files(path).errno_name == expected
