"""System calls with hostile arguments never reach further than the guest."""

from __future__ import annotations

import pytest

from tests.linux.guests import build, run

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_arguments_are_survived(seed: int) -> None:
    """1500 calls of the signal, thread, process and IPC families with pointers and numbers at all edges."""
    outcome = run(build("hostile_calls"), str(seed))
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("survived\n", "", 0)
