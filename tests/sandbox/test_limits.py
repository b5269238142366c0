"""What a program holds, fills or breaks is its own: the run goes on, or its limits end it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.attacks import attack, left_behind, program


@pytest.fixture(scope="module")
def limits() -> str:
    return str(program("limits"))


def test_code_that_is_written_through_another_mapping_is_what_runs(limits: str, tmp_path: Path) -> None:
    ended = attack(tmp_path, "--", limits, "jit_alias")
    ways = ("by store", "by write", "by a later mapping")
    assert ended.out.splitlines() == [f"{way}: 1000 of 1000" for way in ways]


def test_times_at_the_end_of_all_time_are_far_away(limits: str, tmp_path: Path) -> None:
    ended = attack(tmp_path, "--timeout", "2", "--", limits, "far_timers")
    assert (ended.status, ended.out) == (124, "far: 0 0\nset\n")
    assert ended.complaints == []


@pytest.mark.thorough
def test_two_thousand_threads_that_end_at_once_take_seconds(limits: str, tmp_path: Path) -> None:
    ended = attack(tmp_path, "--", limits, "threads", "2000", timeout=150)  # 4 s of an idle machine's time
    assert (ended.status, ended.out) == (0, "2000 threads\n")


@pytest.mark.thorough
def test_timers_meet_the_limit_of_pending_signals(limits: str, tmp_path: Path) -> None:
    """A kernel takes a place in the queue for each when it is made (posix_timer_create), EAGAIN is 11."""
    ended = attack(tmp_path, "--", limits, "many_timers", "200000")
    assert (ended.status, ended.out) == (0, "31000 timers, errno 11\n")


@pytest.mark.thorough
def test_a_file_that_is_cut_at_the_moment_of_an_access_is_the_programs_bus_error(
    limits: str, tmp_path: Path
) -> None:
    ended = attack(tmp_path, "--", limits, "truncated_meanwhile", "file")
    assert (ended.status, ended.out) == (0, "came to the end\n")


def test_a_file_that_was_cut_is_a_bus_error_for_stores_and_efault_for_calls(
    limits: str, tmp_path: Path
) -> None:
    ended = attack(tmp_path, "--", limits, "truncated", "file")
    assert ended.out.splitlines() == ["0: 7", "1: 7", "2: 0", "3: 0", "4: 0", "5: 0"]


def test_a_program_that_cuts_itself_hurts_itself(limits: str, tmp_path: Path) -> None:
    own = tmp_path / "limits"
    own.write_bytes(Path(limits).read_bytes())
    own.chmod(0o755)
    ended = attack(tmp_path, "-e", f"p:g/main {own}:main $stack", "--", str(own), "truncates_itself")
    assert ended.complaints == []


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["stuck_write", "stuck_uncaught"])
def test_a_time_limit_ends_a_write_that_nobody_reads(limits: str, tmp_path: Path, what: str) -> None:
    ended = attack(tmp_path, "--timeout", "1", "--", limits, what)
    assert ended.status == 124


def test_calls_over_sixteen_terabytes_come_back(limits: str, tmp_path: Path) -> None:
    ended = attack(tmp_path, "--timeout", "30", "--", limits, "mincore")
    assert (ended.status, ended.out) == (0, "mapped: 1\ncame back\n")


@pytest.mark.thorough
@pytest.mark.parametrize("most", [[], ["--max-processes", "40"]])
def test_a_time_limit_ends_a_fork_bomb(limits: str, tmp_path: Path, most: list[str]) -> None:
    ended = attack(tmp_path, "--timeout", "2", *most, "--", limits, "bomb")
    assert ended.status in (124, 125)  # 125: some of them had to be killed
    assert ended.seconds < 15
    assert left_behind(tmp_path) == []


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["memfd", "shm", "tmp", "pipe", "socket", "shared"])
def test_what_the_host_holds_for_a_program_is_bounded(limits: str, tmp_path: Path, what: str) -> None:
    ended = attack(tmp_path, "--max-memory", "200M", "--timeout", "30", "--", limits, "fill", what)
    assert ended.status == 0
    assert int(ended.out.split()[0]) <= 256
