"""Named values are those that gdb shows at the same stop, wherever the code is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debuginfo.compared import compare
from tests.debuginfo.programs import built

pytestmark = pytest.mark.thorough

FUNCTIONS = ("parse", "turn", "by_level", "sort", "pick", "chain", "filled", "mixed", "outer")
NOT_SET_EVERYWHERE = frozenset({"q", "l", "i", "sum"})


@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O2 -flto", "-O1 -gdwarf-4", "-Os"])
def test_values_are_those_that_gdb_shows(flags: str, tmp_path: Path) -> None:
    program = built("types.c", *flags.split())
    plain = flags == "-O0"
    skip = NOT_SET_EVERYWHERE if plain else frozenset()
    found = compare(program, FUNCTIONS, 60, tmp_path, skip, 64 if plain else 0)
    assert found.differences() == {}
    assert len(found.ours) > 60
