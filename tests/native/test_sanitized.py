"""Engine and glue under the address and undefined-behaviour sanitizers, driven by their own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("uprobe_core", "backends", "decoders", "plugins")
REST = ("tests", "examples")
TESTS = (
    "native/test_fetch_both.py",
    "native/test_maps_and_ring.py",
    "native/test_relocate.py",
    "native/test_slot_areas.py",
    "native/test_calls.py",
    "native/test_stacks.py",
    "unicorn/test_cpu.py",
)

pytestmark = pytest.mark.slow


def _preload() -> str:
    """The sanitizer's runtime, which has to come before Python's own allocator."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    done = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    if not os.path.isabs(path):
        pytest.skip("gcc has no address sanitizer")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a Python that takes the packages from a tree of their own, whose extensions are instrumented."""
    preload = _preload()
    tree = tmp_path_factory.mktemp("sanitized")
    for room in ROOMS + REST:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    env = {**os.environ, "UPROBE_REQUIRE_NATIVE": "1", "UPROBE_SANITIZE": "1"}
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=tree, env=env, check=True, capture_output=True, timeout=250)
    folders = [str(tree), *(str(tree / room) for room in ROOMS[1:])]
    others = [path for path in sys.path if path and not path.startswith(str(ROOT))]
    return env | {
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([*folders, *others]),
        "UPROBE_TESTED_TREE": str(tree),
    }


def test_the_instrumented_extensions_are_the_ones_used(environment: dict[str, str]) -> None:
    modules = "import uprobe_core.native._engine as e, uprobe_unicorn.native._glue as g"
    asked = [sys.executable, "-c", f"{modules}; print(e.__file__, g.__file__)"]
    tree = environment["UPROBE_TESTED_TREE"]
    done = subprocess.run(asked, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    assert [path.startswith(tree) for path in done.stdout.split()] == [True, True]


@pytest.mark.parametrize("test", TESTS)
def test_no_sanitizer_complains(environment: dict[str, str], test: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
        f"tests/{test}",
    ]
    done = subprocess.run(
        command,
        cwd=environment["UPROBE_TESTED_TREE"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
