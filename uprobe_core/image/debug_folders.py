"""Where the user says that debug information is: folders of this machine, and servers."""

from __future__ import annotations

import os
from collections.abc import Iterable

from uprobe_core.errors import UsageError
from uprobe_core.image.debug_server import is_server

__all__ = ("require_folders",)


def require_folders(folders: Iterable[str]) -> None:
    """Raise UsageError for a folder that is not there: names would be missed, and nobody would say why.

    :param folders: as ``--debug-dir`` names them; addresses of servers may be among them
    """
    for folder in folders:
        if not is_server(folder) and not os.path.isdir(folder):
            raise UsageError(
                f"the folder with debug information {folder!r} is not there",
                hint="--debug-dir takes a folder of this machine, laid out as /usr/lib/debug is",
            )
