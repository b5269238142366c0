"""Modules that are kept in one file are those that Python would import."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import pytest

from tests.programs import zig
from uprobe_core.cli.kept_modules import KeptModules

HOME = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The last folder that Python imports from, with a package ``kept_one``, in it a module ``inner``."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    monkeypatch.syspath_prepend(str(tmp_path / "first"))
    # Without the folder of the tests: others that run now add files to it.  (syspath_prepend puts all back.)
    sys.path[1:] = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    folder = tmp_path / "last"
    (folder / "kept_one").mkdir(parents=True)
    (folder / "kept_one" / "__init__.py").write_text("VALUE = 1\n")
    (folder / "kept_one" / "inner.py").write_text("VALUE = 2\n")
    sys.path.append(str(folder))
    yield folder
    forget()


def forget() -> None:
    """As in another process."""
    for name in [name for name in sys.modules if name.startswith("kept_one")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def imported(path: Path, name: str = "kept_one.inner") -> ModuleType:
    """The module *name* in a process that keeps modules at *path*."""
    forget()
    sys.meta_path[:] = [PathFinder]
    kept = KeptModules(str(path))
    kept.install()
    module = importlib.import_module(name)
    kept.save()
    return module


def is_kept(module: ModuleType) -> bool:
    return type(module.__loader__).__module__ == "uprobe_core.cli.kept_modules"


def test_a_module_that_was_kept_is_the_same_module(folder: Path, tmp_path: Path) -> None:
    names = ("__name__", "__file__", "__cached__", "__package__", "VALUE")
    first = imported(tmp_path / "file")
    package = sys.modules["kept_one"]
    second = imported(tmp_path / "file")
    assert (is_kept(first), is_kept(second)) == (False, True)
    assert [getattr(first, name) for name in names] == [getattr(second, name) for name in names]
    assert package.__path__ == sys.modules["kept_one"].__path__


def test_a_module_is_an_ordinary_one_when_all_is_imported(folder: Path, tmp_path: Path) -> None:
    imported(tmp_path / "file")
    assert type(imported(tmp_path / "file")) is ModuleType
    kept = KeptModules(str(tmp_path / "file"))
    assert (kept.has("kept_one.inner"), kept.has("kept_one.other")) == (True, False)
    (folder / "kept_one" / "inner.py").write_text("VALUE = 333\n")
    assert not kept.has("kept_one.inner")


def test_what_a_module_finds_by_itself_is_found(folder: Path, tmp_path: Path) -> None:
    (folder / "kept_one" / "inner.py").write_text("def __getattr__(name): return name\n")
    imported(tmp_path / "file")
    forget()
    sys.meta_path[:] = [PathFinder]
    kept = KeptModules(str(tmp_path / "file"))
    kept.install()
    module = importlib.import_module("kept_one.inner")
    kept.settle()
    assert is_kept(module)
    assert module.anything == "anything"


def seen_of_modules() -> list[object]:
    """What modules of a package that import each other, fail, and are not there look like."""
    with pytest.raises(KeyError, match="wrong"):
        importlib.import_module("kept_one.wrong")
    with pytest.raises(
        ModuleNotFoundError, match=r"'kept_one\.inner\.no'; 'kept_one\.inner' is not a package"
    ):
        importlib.import_module("kept_one.inner.no")
    modules = [sys.modules[name] for name in sorted(sys.modules) if name.startswith("kept_one")]
    package, names = modules[0], ("__name__", "__file__", "__package__", "__cached__")
    assert all(vars(package)[each.__name__.partition(".")[2]] is each for each in modules[1:])
    assert not any(getattr(each.__spec__, "_initializing", True) for each in modules)
    shown = [[getattr(each, name, None) for name in names] for each in modules]
    return [shown, package.rong.EARLY, list(package.__path__)]


@pytest.mark.parametrize("others", [False, True], ids=["quickly", "others are asked first"])
def test_modules_are_imported_as_importlib_does_it(folder: Path, tmp_path: Path, others: bool) -> None:
    package = folder / "kept_one"
    (package / "ring.py").write_text("from kept_one import inner\nfrom . import rong\nBACK = 1\n")
    (package / "rong.py").write_text("import kept_one.ring as ring\nEARLY = hasattr(ring, 'BACK')\n")
    (package / "wrong.py").write_text("import kept_one.ring\nraise KeyError('wrong')\n")
    before = seen_of_modules()
    KeptModules(str(tmp_path / "file")).save()
    forget()
    nobody = Nobody()
    if others:
        sys.meta_path.insert(0, nobody)
    kept = KeptModules(str(tmp_path / "file"))
    kept.install()
    try:
        assert seen_of_modules() == before
    finally:
        kept.settle()
    assert is_kept(sys.modules["kept_one.ring"])
    assert bool(nobody.asked) == others


class Nobody:
    """A finder that wants to be asked first and finds nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.asked.append(name)


def test_a_source_that_changed_is_read_again(folder: Path, tmp_path: Path) -> None:
    imported(tmp_path / "file")
    (folder / "kept_one" / "inner.py").write_text("VALUE = 333\n")
    changed = imported(tmp_path / "file")
    assert (changed.VALUE, is_kept(changed), is_kept(sys.modules["kept_one"])) == (333, False, True)
    again = imported(tmp_path / "file")
    assert (again.VALUE, is_kept(again)) == (333, True)


def test_a_source_that_is_gone_is_gone(folder: Path, tmp_path: Path) -> None:
    imported(tmp_path / "file")
    (folder / "kept_one" / "inner.py").unlink()
    with pytest.raises(ModuleNotFoundError):
        imported(tmp_path / "file")


def test_a_module_that_now_comes_first_is_found(folder: Path, tmp_path: Path) -> None:
    """In the first folder, that of a script or the working directory, which changes all the time."""
    imported(tmp_path / "file", "kept_one")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "kept_one.py").write_text("VALUE = 7\n")
    assert imported(tmp_path / "file", "kept_one").VALUE == 7


def test_where_python_imports_from_other_folders_nothing_holds(folder: Path, tmp_path: Path) -> None:
    imported(tmp_path / "file", "kept_one")
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept_one.py").write_text("VALUE = 8\n")
    sys.path.insert(1, str(other))
    assert imported(tmp_path / "file", "kept_one").VALUE == 8


def test_a_folder_that_got_another_entry_is_looked_through_again(folder: Path, tmp_path: Path) -> None:
    middle = tmp_path / "middle"
    middle.mkdir()
    os.utime(middle, ns=(1, 1))
    sys.path.insert(1, str(middle))
    imported(tmp_path / "file", "kept_one")
    (middle / "kept_one.py").write_text("VALUE = 9\n")
    assert imported(tmp_path / "file", "kept_one").VALUE == 9


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d[:30], lambda d: b"", lambda d: b"x" + d[1:], lambda d: d + b"x"]
)
def test_a_file_that_is_not_whole_counts_as_none(folder: Path, tmp_path: Path, damage: object) -> None:
    imported(tmp_path / "file")
    (tmp_path / "file").write_bytes(damage((tmp_path / "file").read_bytes()))  # type: ignore[operator]
    assert not is_kept(imported(tmp_path / "file"))
    assert is_kept(imported(tmp_path / "file"))


def test_nothing_is_written_where_python_writes_no_bytecode(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert imported(tmp_path / "file").VALUE == 2
    assert not (tmp_path / "file").exists()


def test_where_nothing_can_be_written_nothing_is_kept(folder: Path, tmp_path: Path) -> None:
    assert imported(tmp_path / "no" / "folder").VALUE == 2
    assert not (tmp_path / "no").exists()


def test_a_trace_back_shows_the_source_of_a_kept_module(folder: Path, tmp_path: Path) -> None:
    import inspect

    imported(tmp_path / "file")
    assert inspect.getsource(imported(tmp_path / "file")) == "VALUE = 2\n"


def test_a_command_prints_the_same_with_what_it_kept() -> None:
    command = [sys.executable, "-m", "uprobe_core.cli", "list", str(HOME / "examples" / "loop")]
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, check=True) for _ in range(2)
    )
    assert (first.stdout, first.stderr) == (second.stdout, second.stderr)


_BEFORE_THE_WALL = """
import sys
import uprobe_core as up
session = up.Session([sys.argv[1]])
loaded = []
session.confine(before=lambda: loaded.extend(sys.modules))
session.run()
print(*sorted(name for name in set(sys.modules) - set(loaded) if name.startswith("uprobe_")))
"""


def test_what_a_run_needs_is_imported_before_it_gives_up_keeping_it() -> None:
    """Modules that are found behind the wall could not be kept, and would be looked for in each run."""
    command = [sys.executable, "-c", _BEFORE_THE_WALL, str(zig("family.c"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == ""
