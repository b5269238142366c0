"""Files that a program maps past its loader: never unprobed without a word."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from uprobe_gdbremote.machine import RemoteMachine

import uprobe_core as up
from tests.gdbremote.conftest import needs_qemu
from tests.gdbremote.recorded import Replay
from tests.programs import ROOT, zig
from uprobe_core.errors import ProbeError

LOOP = str(ROOT / "examples" / "loop")


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, str]:
    """A program, and a copy of it that it maps itself and calls, once."""
    program, mapped = zig("maps_file.c"), tmp_path / "mapped"
    shutil.copy(program, mapped)
    return str(program), str(mapped)


def hits(program: str, mapped: str, **options: Any) -> int:
    """How often the function in *mapped* was seen to be called."""
    with up.Session([program, mapped], cwd="/", **options) as run:
        count = run.probe(f"p:fn {mapped}:fn", up.Count())
        run.probe(f"p:main {program}:main", up.Count())
        assert run.run().code == 7
    return int(count.result())


@needs_qemu
def test_a_file_that_was_not_seen_is_named(
    program: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """The same run on backend unicorn has the hit, and nothing to say."""
    assert hits(*program, sysroot="/") == 1
    assert capfd.readouterr().err == ""
    assert hits(*program, backend="gdbremote") == 0
    told = capfd.readouterr().err
    assert told.startswith(f"uprobe: warning: not probed: the program was not seen to map {program[1]}; ")
    assert told.count("\n") == 1
    assert "mappings=all" in told


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
