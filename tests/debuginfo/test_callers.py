"""Values that a function was entered with, known from who has called it."""

from __future__ import annotations

from tests.debuginfo.programs import built, hits_of

GONE = "a=<optimized out> b=<optimized out> c=<optimized out>"


def test_what_was_given_is_known_through_functions_that_end_in_jumps() -> None:
    line = "p {}:jumps.c:16 a b c"
    (found,) = hits_of(built("jumps.c", "-O2"), [line]).values()
    assert found == ["a=9 b=7 c=41", "a=4 b=5 c=6", GONE]  # the last time there are two ways to get there
