"""The C code compiles for everything that there are wheels for, and the configuration of wheels says so."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.programs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENGINE = ROOT / "uprobe_core" / "native" / "c"
GLUE = ROOT / "backends" / "uprobe_unicorn" / "native"
ROOMS = {
    "engine": ([ENGINE, ENGINE / "python"], []),
    "glue": ([GLUE / room for room in ("glue", "calls", "tcg")], [ENGINE]),
}
TARGETS = ["x86_64-linux-gnu.2.28", "aarch64-linux-gnu.2.28", "x86_64-linux-musl", "aarch64-linux-musl"]


def _of_machines(headers: Path, folder: Path) -> Path:
    """*folder* with what Debian's pyconfig.h includes for each machine: told what this one is."""
    ours = headers.parent / str(sysconfig.get_config_var("MULTIARCH")) / headers.name / "pyconfig.h"
    for name in re.findall(r"include <(\S+/pyconfig\.h)>", (headers / "pyconfig.h").read_text()):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).symlink_to(ours)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("room", sorted(ROOMS))
@pytest.mark.parametrize("target", TARGETS)
def test_the_c_code_compiles_without_a_warning(target: str, room: str, tmp_path: Path) -> None:
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        pytest.skip("needs Python's headers")
    folders, more = ROOMS[room]
    sources = [str(source) for folder in folders for source in sorted(folder.glob("*.c"))]
    flags = [
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
        "-pthread",
        "-o",
        str(tmp_path / "x.so"),
    ]
    included = [f"-I{folder}" for folder in (*folders, *more, headers, _of_machines(headers, tmp_path))]
    words = [sys.executable, "-m", "ziglang", "cc", "-target", target, *flags, *included, *sources]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_wheels_are_built_for_every_python_that_is_supported() -> None:
    named = {each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if ":: 3." in each}
    built = PROJECT["tool"]["cibuildwheel"]["build"].split()
    assert {f"cp{version.replace('.', '')}-*" for version in named} == set(built)


def test_a_wheel_without_the_native_engine_is_never_published() -> None:
    assert PROJECT["tool"]["cibuildwheel"]["environment"]["UPROBE_REQUIRE_NATIVE"] == "1"
