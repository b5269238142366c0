"""What dataclasses and named tuples compile, kept beside Python's own compiled modules.

Methods of each class, annotations of each named tuple: hundreds of small sources.  They are kept
in one file of this module's ``__pycache__``, under the same terms as what lies there: it may be
deleted, is written where the folder can be written and PYTHONDONTWRITEBYTECODE is not set, and holds
for one version of Python.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False  # what is imported here the finder of kept modules is too late for
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from uprobe_core.cli.kept_modules import KeptModules

__all__ = ("Compiled", "keep_dataclasses", "keep_modules", "save_compiled", "settle_modules")

_START = f"uprobe 5 {sys.version}\n".encode()
"""What that file begins with: the number is that of its form."""
_MOST = 400
"""Sources that are kept of one module; what was not asked for in a run goes first."""


class Compiled:
    """Code by module and source text, from and for the file at *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known = _read(path)
        self._batches: dict[str, dict[tuple[str, str], CodeType]] = {}
        """Code by the mode and the text of its source, by module."""
        self._used: dict[str, dict[tuple[str, str], CodeType]] = {}
        self._new: set[str] = set()

    def execute(self, source: str, *spaces: dict[str, Any]) -> None:
        """``exec(source, *spaces)``."""
        code = self._code(spaces[0].get("__name__", ""), source, "<string>", "exec")
        exec(code, *spaces)  # noqa: S102  # what dataclasses does itself

    def expression(self, source: str, name: str, mode: str) -> CodeType:
        """``compile(source, name, mode)``."""
        return self._code("", source, name, mode)

    def value(self, source: str, *spaces: dict[str, Any]) -> Any:
        """``eval(source, *spaces)``."""
        return eval(self._code("", source, "<string>", "eval"), *spaces)  # noqa: S307  # as collections does

    def _code(self, module: str, source: str, name: str, mode: str) -> CodeType:
        batch = self._batches.get(module)
        if batch is None:
            kept = self._known.get(module)
            batch = marshal.loads(kept) if kept else {}  # noqa: S302  # as Python reads the file beside it
            self._batches[module], self._used[module] = batch, {}
        code = batch.get((mode, source))
        if code is None:
            code = compile(source, name, mode, dont_inherit=True)
            batch[mode, source] = code
            self._new.add(module)
        self._used[module][mode, source] = code
        return code

    def save(self) -> None:
        """Write the file anew if there is something new; where it cannot be written there is none."""
        if not self._new or sys.dont_write_bytecode:
            return
        for module in self._new:
            whole = self._batches[module]
            self._known[module] = marshal.dumps(whole if len(whole) <= _MOST else self._used[module])
        data = marshal.dumps(self._known)
        fresh = f"{self._path}.{os.getpid()}"
        try:
            with open(fresh, "xb") as file:
                file.write(_START + len(data).to_bytes(8, "little") + data)
            os.replace(fresh, self._path)
            self._new.clear()
        except OSError:
            return


def _read(path: str) -> dict[str, bytes]:
    """What the file holds, by module; nothing if it is not whole, or another version's."""
    try:
        with open(path, "rb") as file:
            start, data = file.read(len(_START) + 8), file.read()
    except OSError:
        return {}
    if start != _START + len(data).to_bytes(8, "little"):
        return {}
    found: dict[str, bytes] = marshal.loads(data)  # noqa: S302  # as above
    return found


def kept_beside(ending: str) -> str:
    """The path of a file of ours in this module's ``__pycache__``; "" where there is no such folder."""
    beside = globals().get("__cached__")
    return f"{os.path.splitext(beside)[0]}.{ending}" if beside else ""


def keep_dataclasses() -> None:
    """Let dataclasses, collections and typing take what they compile from there, if it can be."""
    _import_dataclasses()
    path = kept_beside("dataclasses")
    if not path:
        return
    import collections
    import dataclasses
    import typing

    compiled = Compiled(path)
    dataclasses.exec = compiled.execute  # type: ignore[attr-defined]
    collections.eval = compiled.value  # type: ignore[attr-defined]
    typing.compile = compiled.expression  # type: ignore[attr-defined]
    _kept.append(compiled)


def _import_dataclasses() -> None:
    """Without ``inspect``: it takes longer than they do, and is asked only for what has no documentation."""
    if "inspect" not in sys.modules:
        from importlib import import_module
        from types import ModuleType

        class Later(ModuleType):
            """A module that is imported when something of it is asked for."""

            def __getattr__(self, name: str) -> Any:
                return getattr(import_module(self.__name__), name)

        sys.modules["inspect"] = Later("inspect")
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


def settle_modules() -> None:
    """What is imported from now on is little, and others may import as well."""
    for kept in _kept:
        if not isinstance(kept, Compiled):
            kept.settle()


_kept: list[Compiled | KeptModules] = []
"""Of this process."""


def save_compiled() -> None:
    """Write what is new so far: before this process gives up writing, and at its end."""
    for kept in _kept:
        kept.save()
