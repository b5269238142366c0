"""A new plugin's project installs, is found, and passes its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.warm_python import python
from uprobe_core.cli import main
from uprobe_core.kit.project import KINDS, new_project


@pytest.mark.thorough
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_project_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    made = new_project(kind, "my_own", str(tmp_path / "project"))
    done = python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        cwd=made.folder,
        env={**os.environ, "PYTHONPATH": str(made.folder)},
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
def test_a_project_installs_and_is_found_by_its_name(tmp_path: Path) -> None:
    made = new_project("consumer", "callers", str(tmp_path / "project"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(made.folder)], check=True, capture_output=True)
    (found,) = distributions(path=[str(tmp_path / "site")])
    assert [(e.group, e.name, e.value) for e in found.entry_points] == [
        ("uprobe.consumers", "callers", "uprobe_callers:CallersConsumer")
    ]


def test_the_command_says_what_it_wrote_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "writer", "table", "--into", str(tmp_path / "t")]) == 0
    *files, last = capsys.readouterr().out.splitlines()
    assert sorted(files) == sorted(str(path) for path in (tmp_path / "t").rglob("*") if path.is_file())
    assert last.startswith("next: cd ")


@pytest.mark.parametrize("name", ["", "1st", "My", "a-b", "a b", "../x"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    assert main(["new-plugin", "hooks", name, "--into", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    assert main(["new-plugin", "hooks", "x", "--into", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
