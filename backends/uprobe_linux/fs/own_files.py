"""The emulator's own files: what this process runs is never the guest's to change.

A working directory or a bind may hold the virtual environment, the project or
the script that uses us.  What is imported from there, now or later, stays as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

__all__ = ("inside", "own_places")


def own_places() -> list[str]:
    """Real paths of the folders and files that this process runs code from, none inside another."""
    folders = tuple(f"{folder}/" for folder in _folders() if folder)
    modules = (path for path in _modules() if not path.startswith(folders))
    paths = sorted({os.path.realpath(path) for path in (*folders, *modules) if os.path.exists(path)})
    kept: list[str] = []
    for path in paths:
        if not (kept and inside(path, kept[-1])):
            kept.append(path)
    return kept


def _folders() -> Iterator[str]:
    """The interpreter's, whole."""
    if sys.prefix != sys.base_prefix:
        yield sys.prefix
    yield os.path.dirname(os.__file__)
    yield os.path.dirname(os.path.realpath(sys.executable))
    if sys.pycache_prefix:
        with suppress(OSError):  # or the program could make it
            os.makedirs(sys.pycache_prefix, exist_ok=True)
        yield sys.pycache_prefix
    yield from (entry for entry in sys.path if entry.endswith(("/site-packages", "/dist-packages")))
    yield from _caches()


def _caches() -> Iterator[str]:
    """Where installers keep the files of environments, which have them under other names (hard links)."""
    kept = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield os.environ.get("UV_CACHE_DIR") or os.path.join(kept, "uv")
    if conda := os.environ.get("CONDA_EXE"):
        yield os.path.join(os.path.dirname(os.path.dirname(conda)), "pkgs")


def _modules() -> Iterator[str]:
    """Packages, whole, and modules that were imported; those that editable installations map, all of them."""
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):  # what setuptools makes; others write the folder into a .pth
            yield from getattr(module, "MAPPING", {}).values()
        if "." not in name:
            yield from getattr(module, "__path__", ()) or filter(None, [getattr(module, "__file__", None)])


def inside(path: str, folder: str) -> bool:
    """Whether *path* is *folder* or lies in it; both real and absolute."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
