"""Wheel, sdist and editable install: what is in them, and that they work in an empty environment."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

# One worker makes the environments, once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("distributions")]

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS = ("backends", "decoders", "plugins", "tests", "docs", "examples", "benchmarks")
TRACE = ["run", "-e", "p:work ./loop:work a=%x0", "--", "./loop", "1"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree without anything that git ignores, so that nothing stale is packed."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git clone, to know which files belong to the project")
    tree = tmp_path_factory.mktemp("source") / "uprobe"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(sdist, wheel); the wheel is built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, source], check=True, capture_output=True)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def environment(folder: Path, *install: str | Path) -> Path:
    """A new virtual environment with something installed in it, not optimized; returns its bin folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder, "install", "-q", *install],
        check=True,
        capture_output=True,
        env={**os.environ, "CFLAGS": "-O0"},
    )
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and what it depends on."""
    return environment(tmp_path_factory.mktemp("wheel") / "venv", built[1])


@pytest.fixture(scope="module")
def editable(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with an editable install."""
    return environment(tmp_path_factory.mktemp("editable") / "venv", "-e", source)


def run(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``uprobe`` of an environment in ``examples/``, with no other programs than the environment's."""
    words = [str(programs / "uprobe"), *arguments]
    path = {"PATH": str(programs), "HOME": str(programs)}
    return subprocess.run(words, cwd=ROOT / "examples", env=path, capture_output=True, text=True, check=False)


def python_packages(wheel: Path) -> set[str]:
    """Top-level names in a wheel, metadata apart."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.split("/")[0] for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_only_packages_with_our_prefix(built: tuple[Path, Path]) -> None:
    expected = {
        path.parent.name for room in (".", *ROOMS[:3]) for path in (ROOT / room).glob("uprobe_*/__init__.py")
    }
    assert python_packages(built[1]) == expected


def test_every_package_in_the_wheel_is_typed(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = set(archive.namelist())
    assert {f"{package}/py.typed" for package in python_packages(built[1])} <= names


def test_the_wheel_declares_every_entry_point_and_holds_its_module(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
        (points,) = [name for name in names if name.endswith("entry_points.txt")]
        parser = configparser.ConfigParser(delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
        parser.read_string(archive.read(points).decode())
    declared = {**PROJECT["entry-points"], "console_scripts": PROJECT["scripts"]}
    assert {group: dict(parser[group]) for group in parser.sections()} == declared
    for targets in declared.values():
        for target in targets.values():
            module = target.split(":")[0].replace(".", "/")
            assert f"{module}.py" in names or f"{module}/__init__.py" in names


def test_the_sdist_holds_what_a_build_and_a_reader_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names


def test_the_sdist_holds_everything_that_the_repository_has(built: tuple[Path, Path], source: Path) -> None:
    """So its tests run, and its manual is built, as in a clone."""
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert {each for each in files - names if "egg-info" not in each} <= {".gitignore"}


@pytest.mark.parametrize("kind", ["installed", "editable"])
class TestEnvironment:
    """The same of a wheel's and of an editable install's environment."""

    @pytest.fixture
    def programs(self, kind: str, request: pytest.FixtureRequest) -> Path:
        """Where the environment's programs are."""
        folder: Path = request.getfixturevalue(kind)
        return folder

    def test_the_script_runs_a_probed_program(self, programs: Path) -> None:
        """With nothing else to be found: no compiler, no other program."""
        done = run(programs, *TRACE)
        assert (done.returncode, done.stdout) == (0, "sum 1\n"), done.stderr
        assert ": work: (0x" in done.stderr

    def test_no_generic_name_can_be_imported(self, programs: Path, tmp_path: Path) -> None:
        code = f"import importlib.util as u; print([n for n in {ROOMS!r} if u.find_spec(n)])"
        done = subprocess.run(
            [programs / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n"

    def test_every_plugin_loads_that_is_not_an_extra(self, programs: Path, tmp_path: Path) -> None:
        done = subprocess.run(
            [programs / "uprobe", "plugins"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        failed = {line.split()[1] for line in done.stdout.splitlines() if " failed " in line}
        assert failed <= {"sleigh", "parquet"}


EXAMPLES = sorted(path.parent for path in (ROOT / "examples/plugins").glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def extended(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel, pytest, and every example of a plugin."""
    folder = tmp_path_factory.mktemp("extended")
    copies = [shutil.copytree(path, folder / path.name) for path in EXAMPLES]
    return environment(folder / "venv", built[1], "pytest", *copies)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_of_a_plugin_passes_its_tests_beside_the_wheel(example: Path, extended: Path) -> None:
    done = subprocess.run(
        [extended / "python", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.partition("SKIPPED")[2].partition("\n")[0])


def wheel_of(source: Path, out: Path, **switches: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel with environment variables set, and none of the native engine's but these.

    With this environment's setuptools; *built* is made with those that the project asks for.
    """
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NATIVE")}
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, source],
        env={**clean, **switches},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_the_native_engine_the_wheel_is_for_every_machine(source: Path, tmp_path: Path) -> None:
    done = wheel_of(source, tmp_path, UPROBE_DISABLE_NATIVE="1")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".so", ".c"))]


def test_without_a_compiler_it_is_built_installed_runs_and_says_so(source: Path, tmp_path: Path) -> None:
    assert wheel_of(source, tmp_path, CC="/bin/false").returncode == 0
    programs = environment(tmp_path / "venv", *tmp_path.glob("*.whl"))
    done = run(programs, *TRACE)
    assert (done.returncode, done.stdout) == (0, "sum 1\n"), done.stderr
    assert ": work: (0x" in done.stderr
    said = run(programs, "doctor").stdout
    for line in ("engine +py: the native engine", "shortcuts +the native glue"):
        pattern = rf"^note +{line} is not part of this installation\n +hint: .*C compiler"
        assert re.search(pattern, said, re.MULTILINE), said


def test_without_a_compiler_a_required_native_engine_fails_the_build(source: Path, tmp_path: Path) -> None:
    assert wheel_of(source, tmp_path, CC="/bin/false", UPROBE_REQUIRE_NATIVE="1").returncode != 0


def test_the_two_switches_contradict_each_other(source: Path, tmp_path: Path) -> None:
    done = wheel_of(source, tmp_path, UPROBE_DISABLE_NATIVE="1", UPROBE_REQUIRE_NATIVE="1")
    assert done.returncode != 0
    assert "are both set; pick one" in done.stdout + done.stderr
