"""Folders that Python imports from and the guest may write: what is imported from them stays what it was.

A script that uses us often lies in the guest's working directory.  What could be
imported from there becomes read-only for the guest, what it adds is not imported
by this process while it runs, and nothing there takes the place of a module that is anywhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, all_suffixes
from types import ModuleType
from typing import Any

from uprobe_linux.fs.own_files import inside, own_places

__all__ = ("OwnImports",)


class OwnImports:
    """The entries of ``sys.path`` that lie in *writable* host folders, as they are now."""

    def __init__(self, writable: Iterable[str]) -> None:
        folders, own = list(writable), own_places()
        self.own = own
        """Host paths of what this process runs, none inside another."""
        entries = {entry: os.path.realpath(entry or ".") for entry in sys.path if isinstance(entry, str)}
        self._open = {
            entry: real
            for entry, real in entries.items()
            if os.path.isdir(real)
            and any(inside(real, folder) for folder in folders)
            and not any(inside(real, place) for place in own)
        }
        self.places: list[str] = []
        """Host paths of what could be imported from them."""
        self._before: dict[str, Any] = {}
        for entry, real in self._open.items():
            names = self._modules(real)
            self._keep(entry or os.getcwd(), names)

    def _modules(self, folder: str) -> set[str]:
        """The names of the modules in *folder*, which become places of ours."""
        names = set()
        for child in os.scandir(folder):
            name = _name_of(child)
            if name:
                names.add(name)
                self.places.append(child.path)
        if names:  # or compiled modules could be put there
            with suppress(OSError):
                os.makedirs(os.path.join(folder, "__pycache__"), exist_ok=True)
                self.places.append(os.path.join(folder, "__pycache__"))
        return names

    def _keep(self, key: str, names: set[str]) -> None:
        from pkgutil import get_importer  # rarely needed

        finder = get_importer(key)
        if finder is not None:
            self._before[key] = finder
            sys.path_importer_cache[key] = _AsItWas(finder, names)

    def trust_last(self) -> None:
        """Move the entries behind all others."""
        sys.path.sort(key=lambda entry: entry in self._open)

    def let_go(self) -> None:
        """The guest is gone: import what is there; idempotent."""
        for key, finder in self._before.items():
            finder.invalidate_caches()
            sys.path_importer_cache[key] = finder
        self._before.clear()


def _name_of(child: os.DirEntry[str]) -> str:
    """The module that a file or folder is, "" if it is none."""
    if child.is_dir():
        with suppress(OSError):
            if any(name.startswith("__init__.") for name in os.listdir(child.path)):
                return child.name
        return ""
    return child.name.split(".")[0] if child.name.endswith(tuple(all_suffixes())) else ""


class _AsItWas:
    """Finds in one folder only what was there."""

    def __init__(self, finder: Any, names: set[str]) -> None:
        self._finder, self._names = finder, names

    def find_spec(
        self, name: str, path: Sequence[str] | ModuleType | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib.abc.PathEntryFinder."""
        found: ModuleSpec | None = None
        if name in self._names:
            found = self._finder.find_spec(name)
        return found

    def invalidate_caches(self) -> None:
        """As importlib.abc.PathEntryFinder."""
        self._finder.invalidate_caches()
