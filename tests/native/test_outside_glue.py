"""A native backend of somebody else is built against the installed headers, and a hit goes through it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.event_model import OpCode
from uprobe_core.native_backend import abi, include_dir
from uprobe_core.testing.toy_arch import REGISTERS
from uprobe_core.types import HandlerVote, MemoryFault

_engine = pytest.importorskip("uprobe_core.native._engine")
from uprobe_core.native.packing import NOTHING, pack_program, pack_registers  # noqa: E402  # where the engine is

SOURCE = Path(__file__).parent / "outside" / "glue.c"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Any:
    compiler = shutil.which("cc") or shutil.which("gcc")
    python = sysconfig.get_paths()["include"]
    if compiler is None or not Path(python, "Python.h").exists():
        pytest.skip("there is no C compiler, or no Python.h")
    library = tmp_path_factory.mktemp("outside") / "outside_glue.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    folders = [f"-I{include_dir()}", f"-I{python}"]
    subprocess.run([compiler, *flags, *folders, str(SOURCE), "-o", str(library)], check=True)
    spec = importlib.util.spec_from_file_location("outside_glue", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.connect(_engine.API)
    return module


def test_a_hit_and_its_return_go_through_a_glue_from_outside(glue: Any) -> None:
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    program, room = pack_program(()) or (b"", 0)
    probe = engine.add_probe(program, room, program, 0, False)
    action = engine.add_action(probe, _engine.ACTION_COUNT, 0, 0, 0, b"", NOTHING.pack(), b"", b"")
    engine.set_probe(probe, True, True, [action], [], b"", b"")
    site = engine.add_site(0x400, 0, [probe])
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"task"))
    assert glue.arrive(engine.site_pointer(site), 7, 0x8000, 0x500) == 0x500
    assert glue.come_back(engine.pointer, 0x500)
    assert not glue.come_back(engine.pointer, 0x500)
    assert engine.take_probe(probe)[:3] == (1, 1, 1)
    assert engine.take_action(action)[0] == 1


def test_the_headers_are_part_of_the_package() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        data = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    assert data["uprobe_core.native"] == ["c/*.h"]
    assert Path(include_dir()) == ROOT / "uprobe_core/native/c"
    assert Path(include_dir(), "api.h").exists()


def test_the_extension_was_built_from_the_headers_beside_it() -> None:
    assert abi() == _engine.ABI


def test_operations_and_votes_have_the_numbers_of_the_contracts() -> None:
    """Both are vocabulary that is there without the extension."""
    assert {op.name: op.value for op in OpCode if op not in (OpCode.ADD, OpCode.COMPUTED)} == _engine.OPS
    votes = {vote: getattr(_engine, f"VOTE_{vote.name}") for vote in (HandlerVote.REMOVE, HandlerVote.IGNORE)}
    assert votes == {vote: vote.value for vote in votes}
    assert HandlerVote.KEEP.value == _engine.VOTE_KEEP
