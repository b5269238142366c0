"""System calls as events: what the source says that it calls, and what another emulator shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.errors import SpecError
from uprobe_core.image.signatures import functions_of
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, RunSetup
from uprobe_core.session.check import check_setup

OWN: list[tuple[str, dict[str, Any], int, str]] = [
    ("openat", {"dirfd": -100, "pathname": "/no/such/file", "flags": 0x80000}, -2, "ENOENT"),
    ("openat", {"dirfd": -100, "pathname": "/dev/null", "flags": 1}, 3, ""),
    ("write", {"fd": 3, "count": 4}, 4, ""),
    ("read", {"fd": 3, "count": 8}, -9, "EBADF"),
    ("close", {"fd": 3}, 0, ""),
    ("close", {"fd": 77}, -9, "EBADF"),
    ("mkdirat", {"dirfd": 55, "pathname": "sub", "mode": 0o755}, -9, "EBADF"),
    ("pipe2", {"flags": 0}, 0, ""),
    ("lseek", {"fd": 3, "offset": 0, "whence": 0}, -29, "ESPIPE"),
]
"""What tests/guest/makes_calls.c calls: name, arguments, result, error."""


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("makes_calls.c")


def run(program: Path, out: Path, *words: str, **options: Any) -> str:
    setup = RunSetup(argv=(str(program), *words), output=str(out), **{"syscalls": True, **options})
    with up.Session.from_setup(setup) as session:
        assert session.run().code == 3
    return out.read_text()


@pytest.mark.parametrize("engine", ["c", "py"])
def test_each_call_has_its_arguments_its_result_and_its_error(
    program: Path, tmp_path: Path, engine: str
) -> None:
    records = [
        json.loads(line)
        for line in run(program, tmp_path / "out", format="jsonl", engine=engine).splitlines()
    ]
    first = next(n for n, record in enumerate(records) if record["args"].get("pathname") == "/no/such/file")
    own = records[first : first + len(OWN)]
    found = [
        (r["event"], {name: r["args"][name] for name in expected[1]}, r["args"]["rv"], r["args"]["error"])
        for r, expected in zip(own, OWN, strict=True)
    ]
    assert found == [(f"s/{name}", arguments, rv, error) for name, arguments, rv, error in OWN]
    assert [record["event"] for record in records[first + len(OWN) :]] == ["s/exit_group"]
    assert all(record["args"]["took"] > 0 for record in own)


def test_it_is_what_another_emulator_shows(program: Path, tmp_path: Path) -> None:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs qemu-user")
    done = subprocess.run(
        ["qemu-aarch64", "-strace", str(program)], capture_output=True, text=True, check=False
    )
    shown = re.findall(r"^\d+ (\w+)\(.*\) = (-1 errno=\d+|0x[0-9a-f]+|-?\d+)", done.stderr, re.MULTILINE)
    theirs = [(name, -int(result[9:]) if "errno" in result else int(result, 0)) for name, result in shown]
    records = map(json.loads, run(program, tmp_path / "out", format="jsonl").splitlines())
    ours = [(record["event"][2:], record["args"]["rv"]) for record in records]
    names = {name for name, *_ in OWN}
    assert [call for call in ours if call[0] in names] == [call for call in theirs if call[0] in names]


def test_the_tree_shows_them_as_strace_would(program: Path, tmp_path: Path) -> None:
    lines = [line.partition("│ ")[2] for line in run(program, tmp_path / "out").splitlines()]
    assert (
        'openat(dirfd=AT_FDCWD, pathname="/no/such/file", flags=O_RDONLY|O_CLOEXEC, mode=0) = -ENOENT'
        in lines
    )
    assert 'mkdirat(dirfd=55, pathname="sub", mode=0755) = -EBADF' in lines
    assert lines[-1] == "exit_group(status=3) = ?"


def test_they_lie_in_the_calls_that_made_them(program: Path, tmp_path: Path) -> None:
    lines = run(program, tmp_path / "out", functions=("main", "syscall"), format="tree:fold=no").splitlines()
    at = next(n for n, line in enumerate(lines) if "/dev/null" in line)
    assert "  syscall(n=56) {" in lines[at - 1]


def test_one_is_an_event_of_its_own_with_filter_and_counts(program: Path, tmp_path: Path) -> None:
    text = run(
        program,
        tmp_path / "out",
        syscalls=False,
        events=(EventLine("s:close"),),
        filters=(FilterUse("s/close", 'error == "EBADF"'),),
        consumers=(ConsumerUse("count", {"by": "fd,error"}),),
    )
    assert text.splitlines() == ["s/close: count by fd, error", '  1  77, "EBADF"', "  1  total"]


def test_counts_have_a_column_of_errors_and_what_forked_processes_called(
    program: Path, tmp_path: Path
) -> None:
    text = run(program, tmp_path / "out", "fork", consumers=(ConsumerUse("count"),))
    assert text.splitlines()[:2] == ["count", "  calls  errors"]
    (close,) = [line.split() for line in text.splitlines() if line.endswith("s/close")]
    assert close == ["4", "3", "s/close"]
    (clone,) = [line.split() for line in text.splitlines() if line.endswith("s/clone")]
    assert clone == ["1", "s/clone"]


@pytest.mark.parametrize("engine", ["c", "py"])
def test_an_execve_behind_a_vfork_is_one_call_of_the_program_that_it_starts(
    tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "out"
    setup = RunSetup(
        argv=(str(zig("vforks.c")),),
        output=str(out),
        events=(EventLine("s:execve"),),
        format="jsonl",
        engine=engine,
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    (record,) = map(json.loads, out.read_text().splitlines())
    assert (record["pid"], record["args"]["rv"]) == (1001, 0)


def test_a_summary_has_the_time_that_they_took(program: Path, tmp_path: Path) -> None:
    text = run(program, tmp_path / "out", consumers=(ConsumerUse("summary"),))
    assert re.search(r"^ +2 +2\.000 us +2\.000 us .* s/openat$", text, re.MULTILINE)


@pytest.mark.parametrize("engine", ["c", "py"])
def test_a_program_takes_no_other_time_for_being_looked_at(
    program: Path, tmp_path: Path, engine: str
) -> None:
    times = []
    for syscalls in (True, False):
        events = (EventLine(f"p:m {program}:main a=%x0"), EventLine(f"r:x {program}:syscall"))
        setup = RunSetup(
            argv=(str(program),),
            events=events,
            output=str(tmp_path / "out"),
            syscalls=syscalls,
            format="jsonl",
            engine=engine,
        )
        with up.Session.from_setup(setup) as session:
            session.run()
        records = map(json.loads, (tmp_path / "out").read_text().splitlines())
        times.append([r["timestamp_ns"] for r in records if not r["event"].startswith("s/")])
    assert times[0] == times[1]


def test_a_name_that_is_no_system_call_is_refused_by_run_and_check(program: Path) -> None:
    setup = RunSetup(argv=(str(program),), events=(EventLine("s:opennat"),))
    with pytest.raises(SpecError, match="s:opennat is no system call") as caught:
        up.Session.from_setup(setup)
    assert "openat" in caught.value.hint
    assert check_setup(setup).first_error is not None


def test_every_call_that_has_a_number_has_an_event() -> None:
    from uprobe_core.system_call_numbers import NUMBERS

    assert set(functions_of("linux")) == set(NUMBERS)
