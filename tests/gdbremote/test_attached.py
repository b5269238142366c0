"""A program that somebody else started under a stub: found, probed, left as it was, or lost."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from uprobe_gdbremote.elf import LoadedFile

import uprobe_core as up
from tests.gdbremote.conftest import needs_qemu
from tests.kernel.conftest import Case
from tests.programs import ROOT
from uprobe_core.errors import BackendError, TargetError
from uprobe_core.types import FileId

pytestmark = needs_qemu
LOOP = ROOT / "examples" / "loop"
EVENT = f"p:work {LOOP}:work a=%x0"


class Started:
    """``qemu-aarch64 -g PATH PROGRAM COUNT``."""

    def __init__(self, folder: Path, count: int, program: Path = LOOP) -> None:
        self.path = folder / "gdb"
        words = ["qemu-aarch64", "-g", str(self.path), str(program), str(count)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    @property
    def address(self) -> str:
        """Where its stub is."""
        return f"unix:{self.path}"

    def output(self) -> tuple[str, int]:
        """What it writes until its end, and its status."""
        text, _ = self.process.communicate(timeout=20)
        return text, self.process.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[int], Started]]:
    """Start an emulator that waits."""
    made: list[Started] = []

    def make(count: int, program: Path = LOOP) -> Started:
        made.append(Started(tmp_path, count, program))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.communicate()


def session(started: Started, **options: Any) -> up.Session:
    """A session on it."""
    return up.Session([str(LOOP)], backend="gdbremote", address=started.address, **options)


class After:
    """Calls a function at the *number*th hit."""

    name = "after"

    def __init__(self, number: int, function: Callable[[], object]) -> None:
        self.left, self._function = number, function
        self.seen: list[int] = []

    def handler(self, hit: Any) -> None:
        """Count, and call."""
        self.seen.append(hit.reg("x0"))
        self.left -= 1
        if not self.left:
            self._function()


def test_a_program_at_a_socket_is_probed_from_its_start(start: Callable[[int], Started]) -> None:
    started = start(4)
    with session(started) as run:
        calls = run.probe(EVENT, up.Count(by="a"))
        returns = run.probe(f"r:ret {LOOP}:work", up.Count())
        assert run.run().code == 0
    assert sum(calls.result().values()) == 4
    assert returns.result() == 4
    assert started.output()[1] == 0


@pytest.mark.parametrize("mode", ["inline", "trap"])
def test_a_program_that_is_left_runs_on_as_if_nothing_had_been(
    start: Callable[[int], Started], mode: str
) -> None:
    unprobed = subprocess.run(["qemu-aarch64", str(LOOP), "40"], capture_output=True, text=True, check=True)
    started = start(40)
    with session(started, mode=mode) as run:
        machine = run.open()
        run.probe(EVENT, After(5, lambda: machine.request_stop("enough")))
        assert run.run().reason == "enough"
    assert started.output() == (unprobed.stdout, 0)


def test_threads_are_held_as_those_of_an_emulator_of_our_own(start: Callable[..., Started]) -> None:
    """Its stub stops none but the one that hit: what is said to one would be read by another."""
    program = Case("threads").program
    started = start(5, program)
    with up.Session([str(program)], backend="gdbremote", address=started.address) as run:
        calls = run.probe(f"p:hit {program}:hit a=%x1", up.Count(by="a"))
        assert run.run().code == 0
    assert calls.result() == dict.fromkeys(range(5), 4)
    assert started.output() == (f"{sum(a * 1000 + b for a in range(4) for b in range(5))}\n", 0)


def test_a_session_that_is_closed_before_its_run_leaves_the_program_alone(
    start: Callable[[int], Started],
) -> None:
    started = start(3)
    with session(started) as run:
        run.probe(EVENT, up.Count())
        run.open()
    assert started.output() == ("sum 7\n", 0)


def test_a_connection_that_breaks_keeps_what_was_recorded(
    start: Callable[[int], Started], tmp_path: Path
) -> None:
    started, records = start(1000), tmp_path / "records"
    run = session(started, consumers=("trace",), output=str(records))
    run.probe(EVENT, After(5, started.process.kill))
    with run, pytest.raises(BackendError, match=r"the connection to unix:.* is lost") as caught:
        run.run()
    assert caught.value.slug == "target-lost"
    assert "kept" in caught.value.hint
    assert records.read_text().count(": work: ") == 5


def test_a_program_that_is_not_here_is_asked_for(start: Callable[[int], Started]) -> None:
    run = up.Session([], backend="gdbremote", address=start(3).address)
    with run, pytest.raises(TargetError, match="which is not on this machine") as caught:
        run.run()
    assert "--sysroot" in caught.value.hint


def copy_of_loop(folder: Path, at: int, change: bytes) -> Path:
    """The program with other bytes at one place of the file."""
    data = bytearray(LOOP.read_bytes())
    data[at : at + len(change)] = change
    made = folder / "loop"
    made.write_bytes(data)
    return made


def test_a_local_copy_of_another_build_is_refused_and_the_program_left_alone(
    start: Callable[[int], Started], tmp_path: Path
) -> None:
    started, entry = start(3), LoadedFile(LOOP.read_bytes(), FileId(0, 0), "loop")
    (segment,) = [each for each in entry.segments if each.vaddr <= entry.entry < each.vaddr + each.file_size]
    other = copy_of_loop(tmp_path, entry.entry - segment.vaddr + segment.offset, b"\x1f\x20\x03\xd5")
    with (
        up.Session([str(other)], backend="gdbremote", address=started.address) as run,
        pytest.raises(BackendError, match=r"is not what unix:.* runs: bytes at 0x") as caught,
    ):
        run.run()
    assert caught.value.slug == "wrong-program"
    assert started.output() == ("sum 7\n", 0)


def test_a_local_copy_may_have_the_symbols_that_the_other_lacks(
    start: Callable[[int], Started], tmp_path: Path
) -> None:
    """Stripping changes where the section headers are said to be, and nothing that is loaded."""
    other = copy_of_loop(tmp_path, 40, bytes(8))
    with up.Session([str(other)], backend="gdbremote", address=start(3).address) as run:
        assert run.run().code == 0


def test_a_time_limit_ends_a_program_of_our_own() -> None:
    with up.Session([str(LOOP), "100000000"], backend="gdbremote", timeout=0.5) as run:
        assert run.run().reason == "timeout"


def test_a_change_from_another_thread_reaches_a_program_that_runs() -> None:
    """The emulator does not look at its connection while it runs."""
    with up.Session([str(LOOP), "2000000000"], backend="gdbremote", timeout=60) as run:
        run.open()

        def add() -> None:
            time.sleep(0.3)
            run.probe(EVENT, After(3, lambda: run.open().request_stop("seen")))

        other = threading.Thread(target=add)
        other.start()
        assert run.run().reason == "seen"
        other.join()
