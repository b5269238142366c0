"""A fixed budget of what :mod:`tests.sandbox.hostile` runs by hand for hours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.attacks import attack, program
from tests.sandbox.hostile import ROOT, WALL, calls, programs, runs, texts, words

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_system_calls_of_any_number_with_any_arguments_are_survived(tmp_path: Path, seed: int) -> None:
    if attack(tmp_path, *WALL, "--", str(program("any_call")), "1", "0", "0").status == 125:
        pytest.skip("root without the outer wall")
    made, found = calls(tmp_path, seed, 1, 20)
    assert found == []
    assert made > 20 * 100, "most of a batch's 200"


@pytest.mark.parametrize("seed", [1, 2])
def test_any_words_frames_and_clones_are_survived(tmp_path: Path, seed: int) -> None:
    if attack(tmp_path, *WALL, "--", str(program("words")), "1", "0").status == 125:
        pytest.skip("root without the outer wall")
    assert words(tmp_path, seed, 60) == []


def test_damaged_programs_are_read_or_refused(tmp_path: Path) -> None:
    good = (ROOT / "examples" / "loop").read_bytes()
    assert {seed: found for seed in range(30) if (found := programs(tmp_path, seed, good))} == {}


def test_damaged_programs_run_or_are_refused(tmp_path: Path) -> None:
    if attack(tmp_path, *WALL, "--", str(program("limits"))).status == 125:
        pytest.skip("root without the outer wall")
    good = (ROOT / "examples" / "loop").read_bytes()
    assert {seed: found for seed in range(12) if (found := runs(tmp_path, seed, good))} == {}


def test_damaged_lines_filters_triggers_and_setups_are_read_or_refused(tmp_path: Path) -> None:
    assert {seed: found for seed in range(4000) if (found := texts(tmp_path, seed))} == {}
