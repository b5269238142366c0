"""What ``dataclasses`` compiles, kept beside Python's own compiled modules.

Before Python 3.13 it compiles each method of each class by itself: five hundred small sources, a
fifth of a short run.  They are kept in one file of this module's ``__pycache__``, under the same terms
as what lies there: it may be deleted, is written where the folder can be written and
PYTHONDONTWRITEBYTECODE is not set, and holds for one version of Python.
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib import import_module
from importlib.util import MAGIC_NUMBER
from types import ModuleType
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from uprobe_core.cli.kept_modules import KeptModules

__all__ = ("Compiled", "keep_dataclasses", "keep_modules", "save_compiled")

_FORMAT = 2
"""Of that file: the checksum begins with it, so that one of another version's is not whole."""
_MOST = 4000
"""Sources that one file holds; what was not asked for in a run goes first."""


class Compiled:
    """Code by source text, from and for the file at *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known = _read(path)
        self._used: dict[str, bytes] = {}
        self._is_new = False

    def execute(self, source: str, *spaces: dict[str, Any]) -> None:
        """``exec(source, *spaces)``."""
        kept = self._known.get(source)
        if kept is None:
            kept = marshal.dumps(compile(source, "<string>", "exec"))
            self._is_new = True
        self._used[source] = kept
        exec(marshal.loads(kept), *spaces)  # noqa: S102, S302  # what dataclasses and Python do themselves

    def save(self) -> None:
        """Write the file anew if there is something new; where it cannot be written there is none."""
        if not self._is_new or sys.dont_write_bytecode:
            return
        kept = self._known | self._used
        data = marshal.dumps(kept if len(kept) <= _MOST else self._used)
        fresh = f"{self._path}.{os.getpid()}"
        try:
            with open(fresh, "xb") as file:
                file.write(MAGIC_NUMBER + crc32(data, _FORMAT).to_bytes(4, "little") + data)
            os.replace(fresh, self._path)
            self._is_new = False
        except OSError:
            return


def _read(path: str) -> dict[str, bytes]:
    """What the file holds, marshalled one by one; nothing if it is not whole, or another version's."""
    try:
        with open(path, "rb") as file:
            start, data = file.read(8), file.read()
    except OSError:
        return {}
    if start != MAGIC_NUMBER + crc32(data, _FORMAT).to_bytes(4, "little"):
        return {}
    found: dict[str, bytes] = marshal.loads(data)  # noqa: S302  # as Python reads the file beside it
    return found


def kept_beside(ending: str) -> str:
    """The path of a file of ours in this module's ``__pycache__``; "" where there is no such folder."""
    beside = globals().get("__cached__")
    return f"{os.path.splitext(beside)[0]}.{ending}" if beside else ""


def keep_dataclasses() -> None:
    """Let dataclasses take its methods from there, where it needs that and there is such a folder."""
    _import_dataclasses()
    path = kept_beside("dataclasses")
    if sys.version_info >= (3, 13) or not path:
        return
    import dataclasses

    compiled = Compiled(path)
    dataclasses.exec = compiled.execute  # type: ignore[attr-defined]
    _kept.append(compiled)


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def _import_dataclasses() -> None:
    """Without ``inspect``: it takes longer than they do, and is asked only for what has no documentation."""
    if "inspect" not in sys.modules:
        sys.modules["inspect"] = _Later("inspect")
        try:
            import dataclasses  # noqa: F401
        finally:
            del sys.modules["inspect"]


def keep_modules() -> None:
    """Let Python take modules from there."""
    path = kept_beside("modules")
    if path:
        from uprobe_core.cli.kept_modules import KeptModules  # of no use to --help

        modules = KeptModules(path)
        modules.install()
        _kept.append(modules)


_kept: list[Compiled | KeptModules] = []
"""Of this process."""


def save_compiled() -> None:
    """Write what is new so far: before this process gives up writing, and at its end."""
    for kept in _kept:
        kept.save()
