"""Text that exec keeps: the next mapping of the same file has it, one of a file that has changed does not."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

import pytest
from uprobe_linux.memory.kept_code import KeptCode

import uprobe_core as up
from tests.programs import zig


def test_a_program_that_executes_itself_finds_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    take = KeptCode.take

    def spied(self: KeptCode, *arguments: Any) -> Any:
        found.append(take(self, *arguments))
        return found[-1]

    monkeypatch.setattr(KeptCode, "take", spied)
    program = zig("family.c")
    calls = up.Count()
    with up.Session([str(program), "again"]) as session:
        session.probe(f"p:work {program}:work", calls)
        session.run()
    assert [each is not None for each in found] == [False, True]
    assert calls.result() == 5  # probes are in the text that was kept as well


def test_a_file_that_was_written_meanwhile_is_read_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program"
    shutil.copy(zig("renewed.c"), program)
    other = zig("renewed.c", "-DMARK=2")
    shutil.copy(other, tmp_path / "other")
    with up.Session([str(program), str(tmp_path / "other")], cwd=str(tmp_path)) as session:
        assert session.run().shell_status == 0
    assert capfd.readouterr().out == "1\n2\n"


def test_nothing_stays_out_of_the_collectors_reach() -> None:
    program = zig("family.c")
    with up.Session([str(program)]) as session:
        session.run()
    assert gc.get_freeze_count() == 0
