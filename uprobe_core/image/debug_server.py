"""Debug files from a debuginfod server, which is asked only if the user names one (--debuginfod).

What was fetched is kept below the user's cache folder, laid out as /usr/lib/debug is, so that the folder can
be named with --debug-dir, too.  It can be deleted at any time; what is in it is believed only
if its build's identity is the one that is looked for.  Source: debuginfod(8), "WEBAPI".
"""

from __future__ import annotations

import os
import re

from uprobe_core.errors import TargetError

__all__ = ("fetched", "is_server")

_MOST_BYTES = 1 << 30
"""Of one file; what is larger is not taken."""
_MOST_KEPT = 1 << 32
"""Bytes of all files that are kept; the oldest go first."""
_PATIENCE = 60.0
_CHUNK = 1 << 20
_IDENTITY = "[0-9a-f]{16,128}"


def is_server(place: str) -> bool:
    """Whether *place* is a server's address, and no folder."""
    return place.startswith(("http://", "https://"))


def fetched(server: str, identity: str) -> str | None:
    """The path of the debug file of the build *identity*; None if the server has none.

    Raises TargetError if the server cannot be asked.
    """
    if not re.fullmatch(_IDENTITY, identity):
        return None
    path = os.path.join(_folder(), ".build-id", identity[:2], f"{identity[2:]}.debug")
    if not os.path.exists(path):
        try:
            if not _fetch(f"{server.rstrip('/')}/buildid/{identity}/debuginfo", path):
                return None
        except (OSError, ValueError) as error:
            raise TargetError(
                f"cannot get debug information from {server}: {error}",
                hint="is the address right? without --debuginfod nothing is asked for",
                slug="debug-server",
            ) from None
        _make_room(path)
    return path


def _folder() -> str:
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "uprobe", "debug")


def _fetch(url: str, path: str) -> bool:
    """Put what is at *url* into *path*, all of it or nothing; False if nothing is there."""
    import tempfile  # with all that it imports: for a server that is asked alone
    from urllib.error import HTTPError
    from urllib.request import urlopen

    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with (
            urlopen(url, timeout=_PATIENCE) as answer,  # noqa: S310  # is_server has looked at it
            tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file,
        ):
            size = 0
            while piece := answer.read(_CHUNK):
                size += len(piece)
                if size > _MOST_BYTES:
                    os.unlink(file.name)
                    raise ValueError(f"the file is larger than {_MOST_BYTES} bytes")
                file.write(piece)
    except HTTPError as error:
        if error.code == 404:
            return False
        raise
    os.replace(file.name, path)
    return True


def _make_room(newest: str) -> None:
    """Delete the oldest files while more is kept than may be."""
    found = []
    for folder, _, names in os.walk(_folder()):
        for path in (os.path.join(folder, name) for name in names):
            status = os.stat(path)
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= _MOST_KEPT or path == newest:
            return
        os.unlink(path)
        total -= size
