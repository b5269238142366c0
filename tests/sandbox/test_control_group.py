"""A control group for a run: how it is made and left (by no real kernel here), what is counted by it."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from uprobe_unicorn import UnicornBackend

from tests.linux.run_guest import Nobody
from tests.sandbox.attacks import program
from uprobe_core.backend import Limits, Target
from uprobe_core.confinement import control_group
from uprobe_core.confinement.control_group import ControlGroup

MIB = 1 << 20


@pytest.fixture
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A group that holds this process; ``written`` says what it and those below it were sent."""
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")

    def write(path: Path, text: str) -> None:
        group = path.parent.name
        who = "above" if path.parent == tmp_path else "others" if group.endswith("-others") else "run"
        with (tmp_path / "written").open("a") as file:
            file.write(f"{who} {text}\n")
        if text == "+memory" and (tmp_path / "refuse").exists():
            raise OSError(errno.EBUSY, "busy")
        for made in tmp_path.glob("uprobe-*") if text == "+memory" else ():
            (made / "memory.stat").touch()

    monkeypatch.setattr(control_group, "_write", write)
    return tmp_path


def test_a_run_goes_below_and_who_waits_for_its_end_beside_it(above: Path) -> None:
    group = ControlGroup(above, 100 * MIB)
    pid, room = os.getpid(), control_group._ROOM
    *lines, keeper = (above / "written").read_text().splitlines()
    most = [f"run {bound}" for bound in (100 * MIB + room, 2 * (100 * MIB + room), 0)]
    assert lines == [f"run {pid}", "above +memory", *most]
    assert keeper.startswith("others ")
    for stat in above.glob("*/memory.stat"):
        stat.unlink()  # a kernel removes a group with the files that it shows there
    os.close(group._pipe)
    deadline = time.monotonic() + 10
    while list(above.glob("uprobe-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(above.glob("uprobe-*")) == []
    os.waitpid(int(keeper.split()[1]), 0)
    assert (above / "cgroup.subtree_control").read_text() == "-memory\n"


def test_beside_somebody_else_nothing_changes(above: Path) -> None:
    (above / "refuse").touch()
    with pytest.raises(OSError, match="busy"):
        ControlGroup(above, MIB)
    assert list(above.glob("uprobe-*")) == []
    assert (above / "written").read_text().splitlines()[-1] == "above -memory"


def test_what_a_group_holds_ends_the_run(tmp_path: Path) -> None:
    """What is there at the start, and what the host may drop, does not count."""
    stat = tmp_path / "memory.stat"
    rows = "anon {}\nfile 900000000\nkernel 800000000\nslab_reclaimable 800000000\nsock 0\nshmem 0\n"
    stat.write_text(rows.format(500 * MIB))
    with stat.open("rb") as file:
        target = Target(
            argv=(str(program("limits")), "wait"),
            limits=Limits(seconds=20, memory=100 * MIB),
            memory_stat=file.fileno(),
        )
        machine: Any = UnicornBackend().open(target, Nobody())
        grown = threading.Timer(0.5, stat.write_text, [rows.format(800 * MIB)])
        grown.start()
        try:
            assert machine.run().reason == "memory"
        finally:
            grown.join()
            machine.close()
    assert not grown.is_alive()
