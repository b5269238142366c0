"""What debug information says of functions: a tree shows the arguments and results that the program tells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import GUEST, compiled, cpp
from uprobe_core.run_setup import ConsumerUse, FilterUse, RunSetup
from uprobe_core.types import Policy

OBJCOPY = "aarch64-linux-gnu-objcopy"
C = ("area", "moved", "named", "line", "none", "nothing")


GCC = ("aarch64-linux-gnu-gcc", "-static", "-g")
Capture = pytest.CaptureFixture[str]


def built(*flags: str) -> Path:
    """The program in C, static and with debug information."""
    return compiled([*GCC, *flags], GUEST / "tells_arguments.c")


def shown(program: Path, out: Path, **options: Any) -> list[str]:
    """The calls of the program's tree, without their times."""
    setup = RunSetup(argv=(str(program),), output=str(out), format="tree:fold=no", **options)
    with up.Session.from_setup(setup) as session:
        session.run()
    lines = [line.partition("│ ")[2].strip() for line in out.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_functions_show_what_they_take_and_give(level: str, tmp_path: Path, capfd: Capture) -> None:
    found = shown(built(level), tmp_path / "tree", functions=C)
    told = capfd.readouterr().out.splitlines()
    assert len(told) == 10
    assert found == told


def test_methods_templates_and_containers_too(tmp_path: Path, capfd: Capture) -> None:
    program = cpp("tells_arguments.cc", "-g", "-O0", "-w")
    found = shown(program, tmp_path / "tree", functions=("shop::*",))
    told = capfd.readouterr().out.splitlines()
    assert len(told) == 4
    assert found == told


def test_a_stripped_program_has_them_from_its_debug_file(tmp_path: Path, capfd: Capture) -> None:
    if shutil.which(OBJCOPY) is None:
        pytest.skip(f"needs {OBJCOPY} (package binutils-aarch64-linux-gnu)")
    whole = built("-O2", "-Wl,--build-id=0x0123456789abcdef")
    program, folder = tmp_path / "tells_arguments", tmp_path / "debug/.build-id/01"
    folder.mkdir(parents=True)
    apart = folder / "23456789abcdef.debug"
    subprocess.run([OBJCOPY, "--only-keep-debug", str(whole), str(apart)], check=True)
    subprocess.run([OBJCOPY, "--strip-all", str(whole), str(program)], check=True)
    folders = (str(tmp_path / "debug"),)
    found = shown(program, tmp_path / "tree", functions=C, debug_folders=folders)
    assert found == capfd.readouterr().out.splitlines()


def test_under_the_kernels_policy_there_are_none(tmp_path: Path) -> None:
    program = built("-O2")
    with up.Session.from_setup(
        RunSetup(argv=(str(program),), functions=("area",), policy=Policy("kernel"))
    ) as session:
        assert [len(line.split()) for line in session.events.table.listing()][:1] == [2]


def fetched(**options: Any) -> list[str]:
    """What the event at the entry of ``moved`` fetches."""
    with up.Session.from_setup(
        RunSetup(argv=(str(built("-O2")),), functions=("moved",), **options)
    ) as session:
        return session.events.table.listing()[0].split()[2:]


@pytest.mark.parametrize("name", ["count", "summary", "graph", "latency", "stacks"])
def test_who_only_counts_calls_has_no_debug_information_read(name: str) -> None:
    assert fetched(consumers=(ConsumerUse(name),)) == []


@pytest.mark.parametrize(
    "options",
    [
        {"consumers": (ConsumerUse("count", {"by": "p"}),)},
        {"consumers": (ConsumerUse("hist", {"arg": "p"}),)},
        {"consumers": (ConsumerUse("count"), ConsumerUse("trace"))},
        {"consumers": (ConsumerUse("count"),), "filters": (FilterUse("moved", "p > 0"),)},
    ],
    ids=["by", "arg", "records", "filter"],
)
def test_who_may_look_at_arguments_has_them(options: dict[str, Any]) -> None:
    assert fetched(**options)
