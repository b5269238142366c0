"""Classes, templates, overloads and strings of C++, as tests/debuginfo/sources/shapes.cc has them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

import uprobe_core as up
from tests.debuginfo.programs import SOURCES
from tests.debuginfo.test_names import AtReturn, Texts
from tests.programs import compiled

LINES = {
    "p {}:app::Square::area id=this->id side label=this->label scale": (
        'id=7 side=3 label="a label that is too long to be kept inside" scale=1'
    ),
    "p {}:app::Circle::area r=radius id scale": "r=1.5 id=8 scale=2",
    "p {}:app::add(int,int) a b": "a=1 b=2",
    "p {}:app::add(double,double) a b": "a=1.5 b=1.0",
    "p {}:app::largest<int> second=values[1] count": "second=9 count=3",
    "p {}:app::greet name mode flag id=shape.id": 'name="short" mode=Fast flag=false id=7',
    "p {}:app::greet rest": 'rest="rest"',
    "r {}:app::greet": "ret=5",
    "r {}:app::add(double,double)": "ret=2.5",
}


@cache
def program(flags: str) -> Path:
    compiler = "aarch64-linux-gnu-g++"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    return compiled([compiler, "-g", flags, "-static"], SOURCES / "shapes.cc")


@cache
def seen(flags: str) -> dict[str, list[str]]:
    """The arguments of the hits of each line, in which {} is the program."""
    found: dict[str, list[str]] = {}
    with up.Session([str(program(flags))], output="/dev/null") as session:
        for number, line in enumerate(LINES):
            kind, rest = line.replace("{}", str(program(flags))).split(" ", 1)
            consumer = (AtReturn if kind == "r" else Texts)(found.setdefault(line, []))
            session.probe(f"{kind}:e{number} {rest}", consumer)
        session.run()
    return found


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("flags", ["-O0", "-O2"])
def test_values_are_what_a_reader_of_the_source_expects(flags: str, line: str) -> None:
    assert seen(flags)[line] == [LINES[line]]
