"""Named values are those that gdb shows at the same stop, wherever the code is stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.debuginfo.programs import built, by_zig
from tests.debuginfo.triples import Asked, Triples, agree, triples

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="needs gdb-multiarch"),
]

PARTS_THAT_ARE_NOWHERE = frozenset({"d", "s", "out", "p", "q", "l", "r"})
"""Variables of which clang says where a part is: gdb shows 0 for the others, we ``<optimized out>``."""


SYNTHETIC = frozenset({"why", "last"})
"""Pointers that are nowhere, to text that the compiler has kept, which gdb's Python cannot read."""


def compared(program: Path, units: str) -> Triples:
    found = triples(Asked(str(program), units=units, count=120, seed=1))
    assert len(found.gdb) >= 120
    return found


@pytest.mark.parametrize("source", ["types.c", "kinds.c"])
@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O2 -flto", "-O1 -gdwarf-4", "-Os"])
def test_values_are_those_that_gdb_shows(source: str, flags: str) -> None:
    found = compared(built(source, *flags.split()), "")
    assert [each for each in found.counted() if each[0][2] not in SYNTHETIC] == []


def test_values_of_clang_are_those_that_gdb_shows() -> None:
    found = compared(by_zig("types.c", "-O2"), "types")
    assert [each for each in found.counted() if each[0][2] not in PARTS_THAT_ARE_NOWHERE] == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("1", "2"),
        ("1.5", "1.25"),
        ("6.80564733841876926963642703e+38", "6.8e+38"),
        ("{a=1 b=2}", "{a=1 b=3}"),
        ("<optimized out>", "0"),
        ("0", "!Cannot access memory at 0x8"),
    ],
)
def test_values_that_differ_are_told_apart(ours: str, theirs: str) -> None:
    assert not agree(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("{a=1 b={...}}", "{a=1 b={c=2}}"),
        ("(fault)", "!Cannot access memory at 0x8"),
        ("{1,2,...}", "{1,2,3}"),
        ("6.80564733841876926963642703e+38", "6.80564733841877e+38"),
    ],
)
def test_what_is_cut_off_is_left_aside(ours: str, theirs: str) -> None:
    assert agree(ours, theirs)
