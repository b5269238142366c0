"""A place for sockets, for the conftest of a room that has them in ``tmp_path``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name whatever TMPDIR is: the address of a socket has 107 bytes."""
    with TemporaryDirectory(prefix="uprobe-", dir="/tmp") as folder:
        yield Path(folder)
