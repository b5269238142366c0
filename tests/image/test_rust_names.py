"""Names of Rust in symbols of the newer mangling: made by rustc 1.95, read by binutils 2.40."""

from __future__ import annotations

import random

import pytest

from uprobe_core.image.demangling import demangle
from uprobe_core.image.rust_v0 import rust_name

NAMES = {
    "_RNvCsl0gHu2WDNTj_3big7dynamic": "big::dynamic",
    "_RNvMCsl0gHu2WDNTj_3bigINtB2_3ArrKj3_Kb1_Kln5_E3sumB2_": "big::Arr<3, true, -5>::sum",
    "_RNvXs_Csl0gHu2WDNTj_3bigINtB4_6CircledENtB4_4Area4areaB4_": "<big::Circle<f64> as big::Area>::area",
    "_RNvXs1_Csl0gHu2WDNTj_3bigTlReENtB5_4Area4area": "<(i32, &str) as big::Area>::area",
    "_RINvCsl0gHu2WDNTj_3big5applyNCNvB2_4mains_0EB2_": "big::apply<big::main::{closure#1}>",
    "_RNCNCNvCsl0gHu2WDNTj_3big4mains_00B5_": "big::main::{closure#1}::{closure#0}",
    "_RINvNtNtCsl0gHu2WDNTj_3bigu7s_qfa0g5inneru9gre_6ka8ilEB6_": "big::süß::inner::größe<i32>",
    "_RINvCsl0gHu2WDNTj_3big7genericFG_RL0_elEbEB2_": "big::generic<for<'a> fn(&'a str, i32) -> bool>",
    "_RINvCsl0gHu2WDNTj_3big7genericFKCPhOxElEB2_": (
        'big::generic<extern "C" fn(*const u8, *mut i64) -> i32>'
    ),
    "_RINvCsl0gHu2WDNTj_3big7genericDNtNtCsgEmfK2I1SDS_4core4iter8Iteratorp4ItemhEL_EB2_": (
        "big::generic<dyn core::iter::Iterator<Item = u8>>"
    ),
    "_RNvCsl0gHu2WDNTj_3big4main.llvm.1234": "big::main",
}


@pytest.mark.parametrize("symbol", NAMES)
def test_names_are_those_of_the_source(symbol: str) -> None:
    assert demangle(symbol) == NAMES[symbol]


@pytest.mark.parametrize(
    "symbol", ["_R", "_RNvC3big", "_RNvCs_3big9x", "_RB_", "_Rust_begin", "_RINvC1aB4_E"]
)
def test_what_is_no_such_name_stays_as_it_is(symbol: str) -> None:
    assert rust_name(symbol) == symbol


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_name_that_stands_for_gigabytes_is_not_written_out(size: int) -> None:
    symbol = f"_RIC{size}{'a' * size}" + "B0_" * 3000 + "E"
    assert rust_name(symbol) == symbol
    assert rust_name("_RIC1a" + "T" * 500) == "_RIC1a" + "T" * 500


def test_changed_names_are_read_or_left() -> None:
    chance = random.Random(1)
    for symbol in [*NAMES] * 40:
        letters = list(symbol)
        letters[chance.randrange(2, len(letters))] = chance.choice("BCEKLMNRTXs_0189uG")
        assert rust_name("".join(letters))
