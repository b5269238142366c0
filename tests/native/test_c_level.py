"""The engine and the glue from C, under the address and undefined-behaviour sanitizers: see c/check.h.

The glue runs against a fake emulator, and memory is used up where a test says so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "c"
ROOT = HERE.parents[2]
ENGINE = ROOT / "uprobe_core/native/c"
GLUE = ROOT / "backends/uprobe_unicorn/native"
FOLDERS = (HERE, ENGINE, GLUE / "glue", GLUE / "calls", GLUE / "tcg")
TESTS = [
    name
    for path in sorted(HERE.glob("*.c"))
    for name in re.findall(r"^TEST\((\w+)\)", path.read_text(), re.M)
]
OF_THREADS = ("what_happens_outside_stops_the_run_at_the_next_block", "what_ends_the_run_stops_the_emulator")

pytestmark = pytest.mark.slow

SANITIZERS = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    "thread": ("-fsanitize=thread",),
}


def build(program: Path, sanitizer: str) -> Path:
    """One program of all tests, with the engine and the glue but without their bindings."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    sources = [str(path) for folder in FOLDERS for path in folder.glob("*.c") if "module" not in path.name]
    flags = ["-g", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread", "-DUP_SCARCE_MEMORY"]
    flags += [*SANITIZERS[sanitizer], *(f"-I{folder}" for folder in FOLDERS)]
    command = [compiler, *flags, *sources, "-o", str(program), "-ldl"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c") / "tests", "address")


@pytest.fixture(scope="module")
def thread_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("c") / "thread_tests", "thread")


def run(program: Path, name: str) -> None:
    done = subprocess.run([str(program), name], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_in_c(tests: Path, name: str) -> None:
    run(tests, name)


@pytest.mark.parametrize("name", OF_THREADS)
def test_what_two_threads_share_is_atomic(thread_tests: Path, name: str) -> None:
    run(thread_tests, name)
