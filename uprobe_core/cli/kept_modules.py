"""The compiled modules of a run in one file, beside Python's own compiled modules.

To find a module Python asks the file system some ten times and opens, reads and closes a file: for three
hundred modules as long as to make what they define. What was imported is kept in one file, with Python's
own terms: a module holds as long as its source has the time and the size that it was compiled from,
and the file as long as nothing was added to or removed from the folders that Python imports from.
It may be deleted, and is written where the folder can be written and PYTHONDONTWRITEBYTECODE is not set.
"""

from __future__ import annotations

import marshal
import mmap
import os
import sys
from importlib.machinery import (
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from types import ModuleType

from uprobe_core.cli.quick_imports import import_quickly

TYPE_CHECKING = False  # what is imported here is imported before this can find it
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from types import CodeType
    from typing import Any

    _Row = tuple[str, str, str, int, int, int, int]
    """A module: its source, its compiled file, the folder that it was found in, where its bytes begin and
    end, when its source was changed, and the size that has, as a compiled file says them."""

__all__ = ("KeptModules",)

_START = f"uprobe 3 {sys.version}\n".encode()
"""What our file begins with, before the length of its index: the number is that of its form."""
_HEADER = 16
"""Bytes of a compiled file before its code: magic number, flags, time and size of the source (PEP 552)."""


class _Quiet(ModuleType):
    """A module that does not write the text of an error when it is asked for what it has not.

    Each import from a module asks it for ``__path__`` first, which three thousand times is 5% of a run.
    """

    __slots__ = ()
    __getattribute__ = object.__getattribute__


class _Loader(SourceFileLoader):
    """A module whose code is there already."""

    def __init__(self, name: str, path: str, code: memoryview, kind: type[ModuleType]) -> None:
        super().__init__(name, path)
        self._code, self._kind = code, kind

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As importlib.abc.Loader."""
        return self._kind(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """As importlib.abc.Loader."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  # as importlib does
        if "__getattr__" in module.__dict__:
            module.__class__ = ModuleType  # Python looks for it there alone

    def get_code(self, fullname: str) -> CodeType:
        """As importlib.abc.InspectLoader."""
        code: CodeType = marshal.loads(self._code)  # noqa: S302  # as Python reads the files beside it
        return code


class KeptModules:
    """Finds modules in the file at *path*, and keeps there what others found."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._places = _places()
        self._rows, self._data = _read(path, self._places)
        self._first = sys.path[0] if sys.path else ""
        self._ahead = _names_in(self._first)
        self._kind: type[ModuleType] = _Quiet
        self._end_quickly: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Be asked before the folders are looked through, and after who wants to be asked before that.

        Python's own finders of what is no file need not be asked first: what is kept was not theirs.
        """
        at = sys.meta_path.index(PathFinder)
        own: list[object] = [BuiltinImporter, FrozenImporter]
        sys.meta_path.insert(at - 2 if sys.meta_path[at - 2 : at] == own else at, self)
        self._end_quickly = import_quickly(self)

    def has(self, name: str) -> bool:
        """As uprobe_core.late_imports.ModuleStore."""
        row = self._rows.get(name)
        return row is not None and _time_and_size(row[0]) == row[5:]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder."""
        row = self._rows.get(name)
        if row is None:
            return None
        origin, cached, folder, start, end, time, size = row
        if not self._is_found(name, folder, path):
            return None
        if _time_and_size(origin) != (time, size):
            del self._rows[name]
            return None
        home = origin.rpartition("/")[0]
        loader = _Loader(name, origin, self._data[start + _HEADER : end], self._kind)
        spec = ModuleSpec(name, loader, origin=origin, is_package=home != folder)
        spec.has_location, spec.cached = True, cached
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(home)
        return spec

    def _is_found(self, name: str, folder: str, path: Sequence[str] | None) -> bool:
        """Whether Python would find the same; of the folders only the first may have changed."""
        if path is not None:
            return folder in path
        return folder == self._first or name not in self._ahead

    def save(self) -> None:
        """Most is imported: write the file anew if there is more; where it cannot be there is none."""
        self.settle()
        if sys.dont_write_bytecode:
            return
        new = {}
        for name, row in _imported(self._rows):
            data = _compiled(row[1])
            if data[:_HEADER] == _header(*row[5:]):
                new[name] = (row, data)
        if new:
            self._write(new)

    def settle(self) -> None:
        """Most is imported: modules are ordinary from now on, and their imports, too; idempotent."""
        self._end_quickly()
        self._kind = ModuleType
        modules: list[ModuleType] = [each for each in sys.modules.values() if type(each) is _Quiet]
        for module in modules:
            module.__class__ = ModuleType

    def _write(self, new: dict[str, tuple[_Row, bytes]]) -> None:
        fresh = f"{self._path}.{os.getpid()}"
        try:
            with open(fresh, "xb") as file:  # first: behind the walls of a run it cannot be
                kept = {name: (row, bytes(self._data[row[3] : row[4]])) for name, row in self._rows.items()}
                file.writelines(_as_file(self._places, kept | new))
            os.replace(fresh, self._path)
        except OSError:
            if os.path.exists(fresh):
                os.unlink(fresh)


def _places() -> tuple[tuple[str, int], ...]:
    """The folders that Python imports from but the first, and when each was changed."""
    return tuple((path, _changed(path)) for path in sys.path[1:])


def _changed(path: str) -> int:
    """When an entry of a folder was last added or removed; 0: there is no such folder."""
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


def _names_in(folder: str) -> set[str]:
    """What could be imported from *folder*."""
    try:
        return {name.partition(".")[0] for name in os.listdir(folder or ".")}
    except OSError:
        return set()


def _time_and_size(origin: str) -> tuple[int, int]:
    """Of the source as it is, as a compiled file has them; (-1, -1): there is none."""
    try:
        found = os.stat(origin)
    except OSError:
        return -1, -1
    return int(found.st_mtime) & 0xFFFF_FFFF, found.st_size & 0xFFFF_FFFF


def _header(time: int, size: int) -> bytes:
    """What a compiled file of a source of that *time* and *size* begins with."""
    from importlib.util import MAGIC_NUMBER  # asked for when something is new

    return MAGIC_NUMBER + b"".join(max(word, 0).to_bytes(4, "little") for word in (0, time, size))


def _imported(known: Container[str]) -> list[tuple[str, _Row]]:
    """The modules that Python found and read by itself, without the *known* ones."""
    found = []
    for name, module in list(sys.modules.items()):
        spec = None if name in known else getattr(module, "__spec__", None)
        if spec is None or type(spec.loader) is not SourceFileLoader or not spec.cached or spec.name != name:
            continue
        origin = str(spec.origin)
        folder = os.path.dirname(origin)
        if spec.submodule_search_locations is not None:
            folder = os.path.dirname(folder)
        if "." in name or folder in sys.path:
            found.append((name, (origin, spec.cached, folder, 0, 0, *_time_and_size(origin))))
    return found


def _compiled(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _read(path: str, places: Any) -> tuple[dict[str, _Row], memoryview]:
    """Rows and bytes of the file; none if it is not whole, another version's or of other folders."""
    nothing: tuple[dict[str, _Row], memoryview] = {}, memoryview(b"")
    try:
        with open(path, "rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        return nothing
    at = len(_START) + 8
    length = int.from_bytes(data[at - 8 : at], "little")
    if data[: at - 8] != _START or len(data) < at + length:
        return nothing
    held, size, rows = marshal.loads(data[at : at + length])  # noqa: S302  # as Python reads the files beside it
    if held != places or size != len(data) - at - length:
        return nothing
    return rows, data[at + length :]


def _as_file(places: Any, whole: dict[str, tuple[_Row, bytes]]) -> list[bytes]:
    rows, size = {}, 0
    for name, (row, data) in whole.items():
        rows[name] = (*row[:3], size, size + len(data), *row[5:])
        size += len(data)
    index = marshal.dumps((places, size, rows))
    return [_START, len(index).to_bytes(8, "little"), index, *(data for _, data in whole.values())]
