"""Parameters at a function's first instruction are what they are behind its prologue; so are results."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.debuginfo.programs import SOURCES, built, by_zig, hits_of
from tests.programs import UNOPTIMISED, compiled
from uprobe_core.debuginfo.functions import functions_of
from uprobe_core.debuginfo.lines import program_of
from uprobe_core.debuginfo.source import Source
from uprobe_core.events.files import host_file
from uprobe_core.image.elf_symbols import ElfImage

FUNCTIONS = 16
RESULTS = ["wide", "boxed", "quad", "two", "vectors", "aligned", "pair", "reals", "three", "mixed", "either"]
RESULTS += ["floats", "four", "five", "letters"]


GIVEN = {
    "first": 'n=42 s="str"',
    "between": "a=1 m={a=7 b=8} d=2.5 used={v={1,2,3,4,5,6}} z=true",
    "two": "a=-5 b=6",
    "large": "a=3 b=4",
    "stack": "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9",
}


def program() -> Path:
    if shutil.which("aarch64-linux-gnu-g++") is None:
        pytest.skip("needs aarch64-linux-gnu-g++")
    return compiled(["aarch64-linux-gnu-g++", "-static", "-g", "-O0"], SOURCES / "calls.cc")


def stops(path: Path) -> list[int]:
    """The first instruction of each function, then the one behind its prologue, as the compiler says it."""
    info = Source(ElfImage(path), str(path), host_file).found.info
    assert info is not None
    found: list[int] = []
    for unit in info.units():
        lines = program_of(unit)
        if lines is None or not unit.root.name.endswith("calls.cc"):
            continue
        for function in functions_of(unit):
            is_asked = not function.name.startswith(("main", "get", "make_", "use_"))
            rows = {r.address for r in lines.rows if r.is_stmt and function.covers(r.address)}
            found += sorted(rows)[:2] if is_asked else []
    return found


def test_parameters_are_the_same_before_and_behind_the_prologue() -> None:
    path = program()
    places = stops(path)
    assert len(places) == 2 * FUNCTIONS
    found = hits_of(path, [f"p {{}}:*+{at:#x} $args" for at in places])
    texts = [texts for texts in found.values() if texts]
    assert len(texts) == 2 * FUNCTIONS
    assert texts[0::2] == texts[1::2]


def test_results_are_what_the_caller_goes_on_with() -> None:
    lines = [line for each in RESULTS for line in (f"r {{}}:make_{each}", f"p {{}}:use_{each} ret")]
    texts = list(hits_of(program(), lines).values())
    assert all(texts)
    assert texts[0::2] == texts[1::2]


@pytest.mark.parametrize("made", [lambda: by_zig("unused.c", *UNOPTIMISED), lambda: built("unused.c", "-O0")])
def test_parameters_behind_one_that_the_compiler_leaves_out_are_their_own(made: type[Path]) -> None:
    lines = {name: f"p {{}}:{name} $args" for name in GIVEN}
    found = hits_of(made(), lines.values())
    shown = {name: re.sub(r"(unused|as_well)=\S+ ", "", found[line][0]) for name, line in lines.items()}
    assert shown == GIVEN
