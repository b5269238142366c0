"""Files that a program maps past its loader: never unprobed without a word."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.machine import RemoteMachine
from uprobe_gdbremote.maps import Glances
from uprobe_gdbremote.world import World

import uprobe_core as up
from tests.gdbremote.conftest import NEWER, needs_newer_qemu, needs_qemu
from tests.gdbremote.recorded import Replay
from tests.gdbremote.stub import Stub
from tests.gdbremote.test_attached import After
from tests.gdbremote.test_maps import pread
from tests.programs import ROOT, zig
from uprobe_core.errors import ProbeError
from uprobe_core.types import Mapping

LOOP = str(ROOT / "examples" / "loop")


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, str]:
    """A program, and a copy of it that it can map itself."""
    program, mapped = zig("maps_file.c"), tmp_path / "mapped"
    shutil.copy(program, mapped)
    return str(program), str(mapped)


def hits(program: str, mapped: str, calls: int = 1, **options: Any) -> tuple[int, int]:
    """How often the function was seen to be called, by each path; it is *calls* times here and there."""
    with up.Session([program, mapped, str(calls)], cwd="/", **options) as run:
        own = run.probe(f"p:own {program}:fn", up.Count())
        other = run.probe(f"p:other {mapped}:fn", up.Count())
        assert run.run().code == 7
    return own.result(), other.result()


@needs_qemu
def test_a_file_that_was_not_seen_is_named(
    program: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """The same run on backend unicorn has the hit, and nothing to say."""
    assert hits(*program, sysroot="/") == (1, 1)
    assert capfd.readouterr().err == ""
    assert hits(*program, backend="gdbremote") == (1, 0)
    told = capfd.readouterr().err
    assert told.startswith(f"uprobe: warning: not probed: the program was not seen to map {program[1]}; ")
    assert told.count("\n") == 1
    assert "mappings=all" in told


@needs_newer_qemu
@pytest.mark.parametrize("again", [False, True], ids=["another file", "its own"])
def test_what_is_found_late_is_probed_and_the_user_told(
    program: tuple[str, str], again: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stub that shows what is mapped is asked now and then."""
    paths = (program[0], program[not again])
    expected = hits(*paths, calls=60, sysroot="/")
    assert expected == ((120, 120) if again else (60, 60))
    found = hits(*paths, calls=60, backend="gdbremote", address=f"qemu:{NEWER}")
    missed = expected[1] - found[1]
    assert found[0] == expected[0] - again * missed
    assert 20 < missed < 40
    told = capfd.readouterr().err
    assert told.startswith("uprobe: warning: hits may be missing: 1 mapping(s) with probes were found late; ")
    assert told.count("\n") == 1


@needs_newer_qemu
def test_a_run_that_is_ended_early_has_a_last_look(
    program: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    words = [program[0], program[0], "60"]
    with up.Session(words, cwd="/", backend="gdbremote", address=f"qemu:{NEWER}") as run:
        machine = run.open()
        run.probe(f"p:own {program[0]}:fn", After(5, lambda: machine.request_stop("enough")))
        assert run.run().reason == "enough"
    assert "1 mapping(s) with probes were found late" in capfd.readouterr().err


@pytest.mark.parametrize(("opened", "looks"), [(b"F5", 4), (b"", 1)], ids=["shown", "not shown"])
def test_a_stub_is_asked_half_as_often_each_time(opened: bytes, looks: int) -> None:
    """At 32, 64, 128 and 256 stops, unless it shows no files; what is found with probes is counted, once."""
    stub = Stub({b"vFile:open": opened, b"vFile:pread": pread, b"vFile:close": b"F0"})
    client = Client(Channel(stub.client, "a stub"))
    made = [Mapping(start, start + 0x1000, True, False, True) for start in (0x40_0000, 0x50_0000)]
    seen = iter([made, [], [], []])
    point = SimpleNamespace(address=0x40_0800, is_wanted=True)
    process: Any = SimpleNamespace(pid=77, borrows=False, points=SimpleNamespace(all=lambda: [point]))
    process.world = SimpleNamespace(compare=lambda _: next(seen), late=set())
    connection: Any = SimpleNamespace(client=client, is_qemu_user=False, all_mappings=False)
    glances = Glances(connection)
    asked = []
    for number in range(1, 300):
        before = len(stub.asked)
        glances.stopped([process])
        asked += [number] * (len(stub.asked) > before)
    client.channel.close()
    stub.join()
    assert asked == [32, 64, 128, 256][:looks]
    assert stub.asked[0] == b"vFile:open:" + b"/proc/77/maps".hex().encode() + b",0,0"
    assert glances.late == (opened != b"")


def test_what_the_loader_tells_of_a_moment_later_was_not_late() -> None:
    """A glance may fall between its mmap and its word."""
    found, other = (Mapping(n << 16, n + 1 << 16, True, False, True, path="lib") for n in (1, 9))
    world = World(Mock(object=lambda _: None), Mock(), Mock(), Mock())
    world.svc = 1
    world._mapping = lambda line: line  # type: ignore[assignment,method-assign,return-value]
    lines: Any = [found, other]
    assert world.compare(lines) == lines
    assert world.compare(lines) == []
    world.late.update(lines)
    parts = [Mapping(n << 15, n + 1 << 15, True, False, n == 2, path="lib") for n in (2, 3)]
    world._add(Mock(path="lib", mappings=lambda _: parts), 0)
    assert world.mappings == [*parts, other]
    assert world.late == {other}
    assert world.compare(lines) == []
    assert world.compare([]) == []
    assert world.mappings == parts


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., up.Session]]:
    """A run over what gdbserver once said of a program that maps itself only; nothing else may be asked."""
    said = Replay(ROOT / "tests" / "data" / "gdbremote" / "loop-inline", str(tmp_path / "gdb"))

    def make(more: str = "", **options: Any) -> up.Session:
        other, address = tmp_path / "other", f"unix:{tmp_path / 'gdb'}{more}"
        shutil.copy(LOOP, other)
        run = up.Session([LOOP], backend="gdbremote", address=address, consumers=("trace",), **options)
        run.probe(f"p:work {LOOP}:work a=%x0")
        run.probe(f"r:ret {LOOP}:work rv=$retval")
        run.probe(f"p:never {other}:work")
        run.probe(f"p:neither {other}:main")
        return run

    yield make
    said.join()
    assert said.wrong == ""


def test_over_gdbserver_nothing_is_asked_for_it(
    elsewhere: Callable[..., up.Session], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with elsewhere(output=str(tmp_path / "trace")) as run:
        assert run.run().code == 0
    assert len((tmp_path / "trace").read_text().splitlines()) == 4
    assert capfd.readouterr().err.count(f"was not seen to map {tmp_path / 'other'};") == 1


def test_it_is_an_error_of_a_strict_run(
    elsewhere: Callable[..., up.Session], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        elsewhere(output=str(tmp_path / "trace"), strict=True) as run,
        pytest.raises(ProbeError, match="not probed") as caught,
    ):
        run.run()
    assert (caught.value.slug, caught.value.where) == ("never-mapped", str(tmp_path / "other"))
    assert "mappings=all" in caught.value.hint
    assert len((tmp_path / "trace").read_text().splitlines()) == 4
    assert capfd.readouterr().err == ""


def test_who_sees_all_mappings_has_nothing_to_warn_of(
    elsewhere: Callable[..., up.Session],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        RemoteMachine, "_caught", lambda *_: None
    )  # it was not asked for when it was recorded
    with elsewhere(",mappings=all", output=str(tmp_path / "trace")) as run:
        assert run.run().code == 0
    assert capfd.readouterr().err == ""
