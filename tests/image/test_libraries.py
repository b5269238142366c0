"""A library by the name that the program loads it by: what the dynamic linker loads, and probes in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import ROOT, build_debian
from uprobe_core.backend import Bind
from uprobe_core.errors import SpecError, UprobeError
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.image.libraries import short_name

SYSROOT = "/usr/aarch64-linux-gnu"


@pytest.fixture
def program() -> Path:
    return build_debian("indirect.c", "-O1", "-Wl,--no-as-needed", "-lm")


def inside(program: Path) -> dict[str, Any]:
    return {"sysroot": SYSROOT, "binds": (Bind(str(program.parent), "/p", read_only=True),)}


def test_what_is_found_is_what_the_dynamic_linker_loads(program: Path) -> None:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs qemu-user to run the dynamic linker")
    command = ["qemu-aarch64", "-L", SYSROOT, "-E", "LD_TRACE_LOADED_OBJECTS=1", str(program)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded = {Path(name).name for name in re.findall(r"^\s+(\S+) (?:=>|\()", said, re.MULTILINE)}
    files = GuestFiles(**inside(program), program=f"/p/{program.name}")
    names = {name for name in files.libraries if ".so" in name}
    assert {"libc.so.6", "libm.so.6"} <= names
    assert names == {name for name in loaded if "vdso" not in name}


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("name", ["libc", "libc.so.6"])
def test_a_probe_by_name_is_one_by_path(program: Path, engine: str, name: str) -> None:
    options = {**inside(program), "engine": engine, "output": os.devnull}
    with up.Session([f"/p/{program.name}"], **options) as session:
        by_name = session.probe(f"p:n {name}:malloc", up.Count())
        by_path = session.probe("p:p /lib/libc.so.6:malloc", up.Count())
        session.run()
    assert by_name.result() == by_path.result() > 0


def test_a_program_without_its_folder_is_looked_for_as_the_run_does(program: Path) -> None:
    options: dict[str, Any] = {**inside(program), "env": {"PATH": "/nowhere:/p"}, "output": os.devnull}
    functions = ("libc:malloc", "main")
    with up.Session([program.name], **options, functions=functions, consumers=("count",)) as session:
        session.run()
        assert {total.name for total in session.events.findings.totals() if total.tallies["hits"]} == {
            "libc/malloc",
            f"{short_name(program.name)}/main",
        }


def test_a_name_that_is_neither_file_nor_library_is_refused(program: Path) -> None:
    with (
        up.Session([f"/p/{program.name}"], **inside(program), output=os.devnull) as session,
        pytest.raises(SpecError, match="not a uprobe location: libx:malloc") as caught,
    ):
        session.probe("p:n libx:malloc")
    assert "loads these when it starts" in caught.value.hint
    assert "ld-linux-aarch64, libc, libm" in caught.value.hint


@pytest.mark.parametrize("options", [{"events": ["p:n libc:malloc"]}, {"functions": ["libc:str*"]}])
def test_a_library_of_a_static_program_is_refused_with_the_path_to_use(options: dict[str, Any]) -> None:
    loop = str(ROOT / "examples" / "loop")
    with pytest.raises(UprobeError) as caught:
        up.Session([loop], output=os.devnull, **options).open()
    assert (
        caught.value.hint == f"{loop} is static and loads no library: name its own functions, {loop}:SYMBOL"
    )


def test_a_kernel_knows_no_library_by_its_name(program: Path) -> None:
    with (
        up.Session([f"/p/{program.name}"], **inside(program), policy="kernel", output=os.devnull) as session,
        pytest.raises(SpecError, match="not a uprobe location"),
    ):
        session.probe("p:n libc:0x100")


def test_a_short_name_ends_before_the_suffix() -> None:
    assert [short_name(each) for each in ("libc.so.6", "libstdc++.so.6", "ld-linux-aarch64.so.1")] == [
        "libc",
        "libstdc++",
        "ld-linux-aarch64",
    ]
