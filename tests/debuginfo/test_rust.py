"""Programs of Rust: paths as places, strings, slices, enumerations, and its own calling convention.

What is expected is what a reader of tests/debuginfo/sources/shop.rs expects; what -O2 has removed is said.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.debuginfo.programs import hits_of
from uprobe_core.image.demangling import demangle

Seen = Callable[[str], dict[str, list[str]]]
BUILT = Path(__file__).with_name("built")
CONFIGURE = "p {}:shop::configure data pair name=c.name tag=c.tags[1] label=c->label on=c.on limit=c.limit"
LINES = {
    CONFIGURE: [
        'data={10,20} pair=(9,-1) name="conf" tag="bc" label="label" on=true limit=Some(7)',
        'data={} pair=(0,0) name="off" tag="bc" label="label" on=false limit=Some(7)',
    ],
    "r {}:shop::configure": ["ret=Ok(12)", 'ret=Err("off")'],
    "p {}:shop::stock::paint shape=*shape colour": [
        "shape=Empty colour=Blue",
        "shape=Circle{radius=2.5} colour=Blue",
        "shape=Square(6) colour=Blue",
        'shape=Named("me",Blue) colour=Blue',
        "shape=Empty colour=Red",
    ],
    "r {}:shop::stock::paint": ["ret=None", "ret=None", "ret=Some(11)", "ret=Some(2)", "ret=None"],
    "p {}:shop::stock::Point::shift x=self.x whole=*self dx": ["x=1 whole={x=1 y=2} dx=3"],
    "p {}:shop::wide n u few many r last=many[11]": [
        "n=21 u=1180591620717411303424 few={1,2,3,4,5,6} many={9,9,9,9,9,9,9,9,9,9,9,9} r=Ok(8) last=9"
    ],
    "r {}:shop::wide": ["ret=1180591620717411303484"],
    "p {}:shop::shared y=r->value.y x=r.x": ["y=10 x=9", "y=12 x=11"],
    "r {}:shop::shared": ["ret=(13,44.0)", "ret=(11,31.75)"],
    "p {}:shop::generic<i32> a b": ["a=3 b=4"],
    "r {}:shop::text": ['ret="ababab"'],
}
UNOPTIMISED = {
    "p {}:shop::configure numbers second=numbers[1] first=pair.0": [
        "numbers={1,-2,3} second=-2 first=9",
        "numbers={} second=(fault) first=0",
    ],
    "p {}:shop::shared s": ['s=Some("some")', "s=None"],
    "p {}:shop::wide f": ["f=shop::double+0x0"],
    "r {}:shop::rest": ["ret={2,3}"],
    "r {}:shop::generic<i8> a b": ["a=-3 b=4"],
    "r {}:shop::generic<i8> ret=$retval": ["ret=1"],
}
CHANGED = {
    "r {}:shop::stock::paint": ["ret=<call changed by the compiler>"] * 5,
    "r {}:shop::shared": ["ret=<call changed by the compiler>"] * 2,
    "r {}:shop::wide": ["ret=<call changed by the compiler>"],
}
"""Of optimised code: rustc says so, and debuggers show no result either (DW_CC_nocall)."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The program at a level of optimisation."""
    folder = tmp_path_factory.mktemp("shop")

    @cache
    def unpacked(level: str) -> Path:
        path = folder / f"shop.{level}"
        path.write_bytes(lzma.decompress((BUILT / f"{path.name}.xz").read_bytes()))
        path.chmod(0o755)
        return path

    return unpacked


@pytest.fixture(scope="module")
def seen(program: Callable[[str], Path]) -> Callable[[str], dict[str, list[str]]]:
    """The arguments of the hits of each line, by level."""
    return cache(lambda level: hits_of(program(level), [*LINES, *(UNOPTIMISED if level == "O0" else ())]))


@pytest.mark.parametrize("line", [*LINES, *UNOPTIMISED])
def test_values_are_what_a_reader_of_the_source_expects(line: str, seen: Seen) -> None:
    assert seen("O0")[line] == (LINES | UNOPTIMISED)[line]


@pytest.mark.parametrize("line", LINES)
def test_optimised_code_has_the_same_values(line: str, seen: Seen) -> None:
    assert seen("O2")[line] == (LINES | CHANGED)[line]


def test_what_is_left_of_a_string_is_shown(program: Callable[[str], Path]) -> None:
    line = "p {}:shop::stock::paint name"
    assert hits_of(program("O2"), [line])[line][0] == "name={data_ptr=<optimized out> length=5}"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZN3app6shapes5paint17hdc7a66b6e41a26bcE", "app::shapes::paint"),
        (
            "_ZN56_$LT$app..shapes..Shape$u20$as$u20$app..shapes..Area$GT$4area17h4cd9c4f0601797e4E",
            "<app::shapes::Shape as app::shapes::Area>::area",
        ),
        (
            "_ZN4core3ptr60drop_in_place$LT$$u5b$app..shapes..Shape$u3b$$u20$4$u5d$$GT$17h1617ddcbd5c55b76E",
            "core::ptr::drop_in_place<[app::shapes::Shape; 4]>",
        ),
        ("_ZN3app3addEii", "app::add(int, int)"),
    ],
)
def test_symbols_of_rust_are_paths(symbol: str, name: str) -> None:
    assert demangle(symbol) == name
