"""Named values are those that gdb shows at the same stop, wherever the code is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debuginfo.compared import compare
from tests.debuginfo.programs import built, by_zig

pytestmark = pytest.mark.thorough

FUNCTIONS = ("parse", "turn", "by_level", "sort", "pick", "chain", "filled", "mixed", "outer")
NOT_SET_EVERYWHERE = frozenset({"q", "l", "i", "sum"})


def test_values_of_clang_are_those_that_gdb_shows(tmp_path: Path) -> None:
    """Structures of which a part is nowhere are left aside: gdb shows 0 for such a part."""
    found = compare(by_zig("types.c", "-O2"), FUNCTIONS, 60, tmp_path, frozenset({"p", "q", "l"}))
    assert found.differences() == {}
    assert len(found.ours) > 60


@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O2 -flto", "-O1 -gdwarf-4", "-Os"])
def test_values_are_those_that_gdb_shows(flags: str, tmp_path: Path) -> None:
    program = built("types.c", *flags.split())
    plain = flags == "-O0"
    skip = NOT_SET_EVERYWHERE if plain else frozenset()
    found = compare(program, FUNCTIONS, 60, tmp_path, skip, 64 if plain else 0)
    assert found.differences() == {}
    assert len(found.ours) > 60
