"""A run that is killed leaves its output and nothing else, and in it all but the last second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.attacks import left_behind
from tests.sandbox.killing import READERS, killed_after

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("form", READERS)
def test_records_up_to_the_last_second_are_in_the_file(tmp_path: Path, form: str, processes: int) -> None:
    numbers, reached = killed_after(tmp_path, 3, form, processes)
    assert set(range(1, reached)) <= set(numbers)
    assert numbers.count(1) <= processes
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_a_run_that_is_killed_while_it_starts_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    killed_after(tmp_path, seconds, "tracefs", 3)
    assert left_behind(tmp_path) == []
