"""The native engine under the address and undefined-behaviour sanitizers, driven by its own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ("test_fetch_both.py", "test_maps_and_ring.py")


def _preload() -> str:
    """The sanitizer's runtime, which has to come before Python's own allocator."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    done = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    if not os.path.isabs(path):
        pytest.skip("gcc has no address sanitizer")
    return path


@pytest.mark.slow
def test_no_sanitizer_complains(tmp_path: Path) -> None:
    preload = _preload()
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "lib", "--build-temp", "temp"]
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT / "uprobe_core", tree / "uprobe_core", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    (tree / "README.md").write_text("")
    (tree / "LICENSE").write_text("")
    env = {**os.environ, "UPROBE_REQUIRE_NATIVE": "1", "UPROBE_SANITIZE": "1"}
    subprocess.run(command, cwd=tree, env=env, check=True, capture_output=True, timeout=200)
    (library,) = (tree / "lib").rglob("_engine*.so")
    shutil.copy(library, tree / "uprobe_core" / library.name)
    folders = [str(tree), *(str(ROOT / room) for room in ("backends", "decoders", "plugins"))]
    env |= {
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join(
            [*folders, *(p for p in sys.path if p and not p.startswith(str(ROOT)))]
        ),
    }
    asked = [sys.executable, "-c", "import uprobe_core.native._engine as e; print(e.__file__)"]
    used = subprocess.run(asked, cwd=tree, env=env, check=True, capture_output=True, text=True).stdout
    assert used.startswith(str(tree))
    tests = [str(Path(__file__).parent / name) for name in TESTS]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", *tests]
    done = subprocess.run(run, cwd=tree, env=env, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
