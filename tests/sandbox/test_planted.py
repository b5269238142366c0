"""Files that a program plants: modules that Python would take, and what decides about the next run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from uprobe_linux.fs.own_files import own_places
from uprobe_pytest import compiling

from tests.cli.command import uprobe
from tests.sandbox.attacks import attack, program
from uprobe_core.session.own_python import own_python

MODULES = (
    *(
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        "struct.py",
        "pickle.py",
        "capstone.py",
        "pyarrow.py",
    ),
    *("uprobe_core/__init__.py", "uprobe_linux/__init__.py", "uprobe_writers/__init__.py", "zz.pth"),
)
REFUSED = "open 30, rename 16, unlink 16"
"""EROFS and EBUSY, as for a file that is mounted read-only."""


def setup(folder: Path, name: str, *planted: str, rest: str = "") -> Path:
    """A set-up file whose program plants files, and counts."""
    target = program("plant")
    path = folder / name
    argv = ", ".join(f'"{word}"' for word in (target, *planted))
    path.write_text(
        f'events = ["p:g/marked {target}:marked n=%x0:u64"]\n[target]\nargv = [{argv}]\n{rest}', "utf-8"
    )
    return path


@pytest.mark.parametrize("wall", ["off", "auto"])
def test_what_decides_about_a_run_and_what_it_writes_is_not_the_programs(tmp_path: Path, wall: str) -> None:
    (tmp_path / "lines").write_text(f"p:g/line {program('plant')}:marked\n")
    (tmp_path / "base.toml").write_text("")
    names = ("run.toml", "base.toml", "lines", "out", "report", "folder/profile")
    (tmp_path / "folder").mkdir()
    setup(tmp_path, "run.toml").write_text('extends = "base.toml"\n' + (tmp_path / "run.toml").read_text())
    files = ("-o", "out", "--report", "report", "--profile", "folder/profile", "-f", "lines")
    words = (*files, "-c", "run.toml", f"--sandbox={wall}", "--", str(program("plant")))
    ended = attack(tmp_path, *words, *names, "@folder", "other")
    assert ended.out.splitlines() == [
        *(f"{name} {REFUSED}" for name in names),
        "folder moved 16",
        "other open 0, rename 0, unlink 0",
    ], ended
    assert ended.status == 0


def test_all_packages_of_an_editable_installation_are_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = ModuleType("__editable___third_finder")
    finder.MAPPING = {"third": str(tmp_path / "third")}  # type: ignore[attr-defined]
    (tmp_path / "third").mkdir()
    monkeypatch.setitem(sys.modules, finder.__name__, finder)
    assert str(tmp_path / "third") in own_places()


def test_a_folder_for_compiled_modules_is_ours_before_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "compiled"))
    assert str(tmp_path / "compiled") in own_places()


@pytest.mark.parametrize(
    ("name", "value", "cache"),
    [
        ("UV_CACHE_DIR", "cache", "cache"),
        ("XDG_CACHE_HOME", ".", "uv"),
        ("CONDA_EXE", "bin/conda", "pkgs"),
    ],
)
def test_caches_whose_files_are_links_in_an_environment_are_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, cache: str
) -> None:
    for each in ("UV_CACHE_DIR", "XDG_CACHE_HOME", "CONDA_EXE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, str(tmp_path / value))
    (tmp_path / cache).mkdir()
    assert str(tmp_path / cache) in own_places()


def test_another_interpreter_of_ours_takes_no_planted_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    attack(tmp_path, "--", str(program("plant")), *MODULES)
    assert all((tmp_path / name).exists() for name in MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    subprocess.run(own_python("import uprobe_core, uprobe_linux, json, struct, pickle"), check=True)
    assert not (tmp_path / "PLANTED").exists()


@pytest.mark.slow
def test_the_second_of_two_runs_that_are_compared_is_what_it_was(tmp_path: Path) -> None:
    setup(tmp_path, "a.toml", *MODULES, "b.toml")
    second = setup(tmp_path, "b.toml").read_text()
    done = uprobe("compare", "a.toml", "b.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no difference\n"), done.stderr
    assert second == (tmp_path / "b.toml").read_text()
    assert (tmp_path / "json.py").exists()
    assert not (tmp_path / "PLANTED").exists()


@pytest.mark.slow
def test_no_cell_of_a_sweep_decides_about_the_next(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="sweeps write Parquet: uprobe[farm]")
    setup(tmp_path, "s.toml", *MODULES, "s.toml", "s.sweep/cells/x", rest="[matrix]\nseed = [1, 2, 3]\n")
    before = (tmp_path / "s.toml").read_text()
    done = uprobe("sweep", "s.toml", "-j", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert before == (tmp_path / "s.toml").read_text()
    assert not list(tmp_path.glob("s.sweep/cells/x"))
    assert not (tmp_path / "PLANTED").exists()


def test_the_compiler_of_the_pytest_plugin_is_not_one_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang", reason="needs PyPI's ziglang")
    monkeypatch.delenv("UPROBE_CC", raising=False)
    command = compiling._compiler(Path("x.c"))
    for name in ("ziglang", "os", "sys"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (tmp_path / name / file).write_text("print('planted')")
    asked = [*command[: command.index("cc")], "version"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "planted" not in done.stdout
    assert done.stdout[0].isdigit()
