"""Classes, templates, overloads and strings of C++, as tests/debuginfo/sources/shapes.cc has them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

import uprobe_core as up
from tests.debuginfo.programs import SOURCES, hits_of
from tests.programs import compiled
from uprobe_core.errors import SpecError

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
    "p {}:app::letter c d": "c='ß' d='z'",
    "r {}:app::letter": "ret='à'",
    "r {}:app::greet": "ret=5",
    "r {}:app::add(double,double)": "ret=2.5",
}

LIBRARY = {
    "p {}:app::containers s v m up sp o": 's="text" v={1,-2,3} m={2 elements} up=0x',
    "p {}:app::containers second=v[1] x=up->x y=sp->y all=*up length=s._M_string_length middle=arr[1]": (
        "second=-2 x=8 y=11 all={x=8 y=9} length=4 middle=2"
    ),
    "p {}:app::more sv p t st um": (
        "sv=\"viewed\" p={first=1 second=2.5} t=(3,'c') st={1 elements} um={1 elements}"
    ),
    "p {}:app::refs r y=rp->y rv fn mode": "r={x=1 y=2} y=2 rv={x=5 y=6} fn=app::add(int, int)+0x0 mode=Fast",
    "p {}:app::refs deep q=deep.in.q nul b": "deep={a=1 in={q=2}} q=2 nul=nullptr b=true",
    "p {}:app::refs limit=app::inner::limit made=app::Base::made address=&r.y": "limit=42 made=4 address=0x",
    "r {}:app::make": 'ret="zzz"',
    "r {}:app::point": "ret={x=4 y=5}",
    "r {}:app::vec": "ret={5,5}",
    "r {}:app::maybe": "ret=nullopt",
    "r {}:app::unique x=$retval->x": "x=3",
    "r {}:app::ref x=$retval.x": "x=2",
    "p {}:app::Square::area id=this->id side label": 'id=7 side=3 label="a label that is',
    "p {}:app::Stack<int>::push items item": "items={} item=4",
    "p {}:app::Stack<double>::push item": "item=1.5",
    "r {}:app::scaled<2,double>": "ret=2.5",
    "p {}:app::scaled<3,int> value": "value=",
}


@cache
def library(flags: str) -> dict[str, list[str]]:
    """The same of library.cc."""
    compiler = "aarch64-linux-gnu-g++"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    built = compiled([compiler, "-std=c++20", "-g", flags, "-static"], SOURCES / "library.cc")
    return hits_of(built, LIBRARY)


@pytest.mark.parametrize("line", LIBRARY)
@pytest.mark.parametrize("flags", ["-O0", "-O2"])
def test_objects_of_the_library_are_shown_as_what_they_mean(flags: str, line: str) -> None:
    assert library(flags)[line][0].startswith(LIBRARY[line])


@cache
def program(flags: str) -> Path:
    compiler = "aarch64-linux-gnu-g++"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    return compiled([compiler, "-g", flags, "-static"], SOURCES / "shapes.cc")


@cache
def seen(flags: str) -> dict[str, list[str]]:
    """The arguments of the hits of each line, in which {} is the program."""
    return hits_of(program(flags), LINES)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("flags", ["-O0", "-O2"])
def test_values_are_what_a_reader_of_the_source_expects(flags: str, line: str) -> None:
    assert seen(flags)[line] == [LINES[line]]


def test_overloads_with_other_parameters_are_told_apart_in_the_hint() -> None:
    path = program("-O0")
    with pytest.raises(SpecError) as refused, up.Session([str(path)]) as session:
        session.probe(f"p:e {path}:app::add a b")
    assert refused.value.hint == "app::add(int, int) and app::add(double, double) differ: name one of them"
