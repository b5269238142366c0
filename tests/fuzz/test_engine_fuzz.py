"""The engine under the sanitizers with inputs that failed once and with many that a generator makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENGINE = HERE.parents[1] / "uprobe_core" / "native" / "c"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzz target with its random driver."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("fuzz") / "engine_fuzz"
    sources = [str(path) for path in ENGINE.glob("*.c") if not path.name.startswith("module")]
    sources += map(str, HERE.glob("*.c"))
    flags = ["-g", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", *SANITIZERS]
    done = subprocess.run(
        [compiler, *flags, f"-I{ENGINE}", *sources, "-o", str(program)],
        check=False,
        capture_output=True,
        text=True,
    )
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


def run(target: Path, *arguments: str) -> None:
    done = subprocess.run([str(target), *arguments], check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr


def test_inputs_that_failed_once_pass(target: Path) -> None:
    run(target, *map(str, sorted((HERE / "engine_corpus").iterdir())))


@pytest.mark.parametrize("seed", range(4))
def test_inputs_of_a_generator_pass(target: Path, seed: int) -> None:
    run(target, "--seed", str(seed), "10000")
