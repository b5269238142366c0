"""The glue under the sanitizers, on a fake emulator, with inputs that a generator makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENGINE = ROOT / "uprobe_core/native/c"
GLUE = ROOT / "backends/uprobe_unicorn/native"
CASES = ROOT / "tests/native/c"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzz target with its random driver."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("fuzz") / "glue_fuzz"
    folders = (ENGINE, GLUE / "glue", GLUE / "calls", GLUE / "tcg")
    sources = [path for folder in folders for path in folder.glob("*.c") if "module" not in path.name]
    sources += [*(HERE / "glue").glob("*.c"), HERE / "random_driver.c"]
    sources += [CASES / "fake_unicorn.c", CASES / "world.c"]
    flags = ["-g", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread", *SANITIZERS]
    flags += [f"-I{folder}" for folder in (*folders, CASES)]
    done = subprocess.run(
        [compiler, *flags, *map(str, sources), "-o", str(program), "-ldl"],
        check=False,
        capture_output=True,
        text=True,
    )
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("seed", range(3))
def test_inputs_of_a_generator_pass(target: Path, seed: int) -> None:
    command = [str(target), "--seed", str(seed), "500"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
