"""Attacks by what a kernel does for a program: what it writes, keeps, follows, counts and waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.attacks import REQUIRED, USER, Ended, attack, left_behind, program, user_namespaces, walled

thorough = pytest.mark.thorough
as_user = [thorough, pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here")]
everywhere = pytest.mark.parametrize(
    ("wall", "through"),
    [
        pytest.param("off", (), id="off"),
        pytest.param("off", USER, id="off-user", marks=as_user),
        *REQUIRED,
    ],
)


def sly(folder: Path, *words: str, wall: str = "off", through: tuple[str, ...] = ()) -> Ended:
    """``sly WORDS`` in *folder*, or another program; words before ``--`` are ours."""
    at = words.index("--") if "--" in words else -1
    target = program("hold" if words[at + 1] in ("stuck", "table") else "sly")
    ours = (f"--sandbox={wall}", *words[: max(at, 0)])
    ended = walled(attack(folder, *ours, "--", str(target), *words[at + 1 :], through=through, timeout=200))
    assert ended.complaints == []
    return ended


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory, beside which lies a file that everybody may write."""
    (tmp_path / "victim").write_bytes(bytes(8192))
    (tmp_path / "victim").chmod(0o666)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@everywhere
def test_a_page_that_is_not_the_programs_to_write_is_written_by_no_call(
    work: Path, wall: str, through: tuple[str, ...]
) -> None:
    """Of a file beyond what was given, behind the end of one, closed, code, beyond all: 54 ways each.

    By /proc/self/mem a kernel writes to closed pages and code that are the program's own: not tried.
    """
    ended = sly(work, "written", "../victim", wall=wall, through=through)
    assert (ended.status, ended.out) == (0, "54 tries\n")
    assert (work.parent / "victim").read_bytes() == bytes(8192)


@everywhere
def test_calls_options_and_requests_that_no_program_needs_come_to_nothing(
    work: Path, wall: str, through: tuple[str, ...]
) -> None:
    ended = walled(attack(work, f"--sandbox={wall}", "--", str(program("asks")), through=through))
    assert (ended.status, ended.out) == (0, "1136 tries\n")
    assert ended.complaints == []


@everywhere
def test_structures_that_another_process_changes_meanwhile_reach_nothing(
    work: Path, wall: str, through: tuple[str, ...]
) -> None:
    ended = sly(work, "flips", wall=wall, through=through)
    assert (ended.status, ended.out) == (0, "2400 tries\n")


@everywhere
def test_a_program_without_memory_where_it_stands_hurts_itself(
    work: Path, wall: str, through: tuple[str, ...]
) -> None:
    ended = sly(work, "space", wall=wall, through=through)
    assert (ended.status, ended.out) == (0, "5 tries\n")


@everywhere
def test_folders_above_our_files_stay_where_they_are(work: Path, wall: str, through: tuple[str, ...]) -> None:
    """By all their names: relative, through links, through other places where they are bound."""
    (work / "a/b/folder").mkdir(parents=True)
    (work / "link").symlink_to("a/b")
    binds = ("--bind", f"{work}:/second", "--bind", f"{work.parent}:/third", "-o", "a/b/folder/out")
    names = [
        *("a", "a/b", "a/b/folder", "link/folder", "/proc/self/cwd/a", "/second/a", "/second/a/b"),
        *("/third/work", "/third/work/a", "/third/work/a/b/folder"),
    ]
    ended = sly(work, *binds, "--", "moves", *names, wall=wall, through=through)
    assert (ended.status, ended.out) == (0, f"{int(ended.out.split()[0])} tries\n")
    assert sorted(str(path.relative_to(work)) for path in work.rglob("*")) == [
        *("a", "a/b", "a/b/folder", "a/b/folder/out", "link")
    ]


def test_what_a_program_does_to_itself_does_not_outlive_it(work: Path) -> None:
    """No rights for new files, another folder, streams that are closed, not waited for, or replaced."""
    ended = sly(work, "-o", "out", "--report", "report", "--", "outlives")
    assert ended.status == 0
    assert [path.name for path in sorted(work.iterdir())] == ["out", "report"]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in work.iterdir())


@thorough
def test_a_time_limit_ends_all_that_never_come_back(work: Path) -> None:
    ended = sly(work, "--timeout", "6", "--max-memory", "2G", "--", "stuck", "21")
    assert ended.out == "all stuck\n"
    assert ended.status in (124, 125)  # 125: of those that one has forked without end some had to be killed
    assert ended.seconds < 100
    assert left_behind(work) == []


@thorough
@pytest.mark.parametrize(
    ("what", "count", "found"),
    [
        ("watches", 3000, "3000 of watches, and more"),
        ("nests", 20, "5 of nests, Symbolic link loop"),
        ("sets", 40000, "No space left on device"),
        ("queues", 40000, "Resource temporarily unavailable"),
        ("segments", 1000, "Out of memory"),
        ("signals", 100000, "31000 of signals, Resource temporarily unavailable"),
        ("flight", 2000, "2000 of flight, and more"),
        ("sparse", 100000, "0 of sparse, Out of memory"),
        ("events", 100000, "memory"),
        ("datagrams", 3000, "memory"),
        ("code", 4000, "memory"),
    ],
)
def test_tables_that_a_program_fills_have_an_end(work: Path, what: str, count: int, found: str) -> None:
    """The kernel's limits, or ours on memory."""
    ended = sly(work, "--timeout", "150", "--max-memory", "300M", "--", "table", what, str(count))
    if found == "memory":
        assert (ended.status, "it wanted more than" in ended.err) == (124, True)
    else:
        assert (ended.status, found in ended.out.splitlines()[0]) == (0, True), ended
