"""Which local file is what the target has loaded: by the set-up's paths, else by the program's own."""

from __future__ import annotations

import os

from uprobe_core.backend import Target
from uprobe_core.types import FileId
from uprobe_gdbremote.elf import ElfError, LoadedFile

__all__ = ("LocalFiles",)


class LocalFiles:
    """Local files by the target's paths; each is read once."""

    def __init__(self, target: Target) -> None:
        self._paths = target.paths
        self._loaded: dict[str, LoadedFile | None] = {}

    def host_path(self, path: str) -> str:
        """The local path of the target's *path*; raises OSError."""
        if self._paths is not None:
            return self._paths.host_path(path)
        return os.path.realpath(path, strict=True)

    def local(self, path: str) -> str:
        """The same, *path* itself if the set-up says nothing of it."""
        try:
            return self.host_path(path)
        except OSError:
            return path

    def load(self, path: str, local: str | None = None) -> LoadedFile | None:
        """The file that the target calls *path*, None if there is none here or it is no program."""
        if path not in self._loaded:
            self._loaded[path] = self._read(path, local)
        return self._loaded[path]

    def _read(self, path: str, local: str | None) -> LoadedFile | None:
        try:
            found = local or self.host_path(path)
            status = os.stat(found)
            with open(found, "rb") as file:
                return LoadedFile(file.read(), FileId(status.st_dev, status.st_ino), path)
        except (OSError, ElfError):
            return None
