"""``--report FILE``: the whole run as one JSON document, on both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import ROOT, zig
from uprobe_core.errors import PluginError, UsageError

LOOP = str(ROOT / "examples" / "loop")


def document(tmp_path: Path, engine: str, *consumers: str, event: str = f"p:work {LOOP}:work a=%x0") -> Any:
    path = tmp_path / "report.json"
    options: dict[str, Any] = {"engine": engine, "output": str(tmp_path / "out"), "consumers": consumers}
    with up.Session([LOOP, "3"], events=[event], report=str(path), **options) as session:
        session.run()
    return json.loads(path.read_text())


@pytest.mark.parametrize("engine", ["py", "c"])
def test_it_says_what_ran_what_was_hit_and_what_consumers_found(tmp_path: Path, engine: str) -> None:
    found = document(tmp_path, engine, "count:by=a", "sum:arg=a,event=work")
    assert found["version"] == 1
    assert found["program"] == [LOOP, "3"]
    ended = {"code": 0, "signal": 0, "reason": "", "pc": None, "fault_address": None, "stack": []}
    assert found["status"] == ended
    (event,) = found["events"]
    assert (event["name"], event["hits"]) == ("uprobes/work", 3)
    count, total = found["consumers"]
    assert (count["name"], count["options"], count["event"]) == ("count", {"by": "a"}, None)
    assert (total["name"], total["event"]) == ("sum", "work")
    assert set(count["found"]["events"]) == {"uprobes/work"}


@pytest.mark.parametrize("engine", ["py", "c"])
def test_it_has_the_stack_of_a_crash(tmp_path: Path, engine: str) -> None:
    program, path = zig("crashes.c"), tmp_path / "report.json"
    with up.Session([str(program), "abort"], report=str(path), output="/dev/null", engine=engine) as session:
        status = session.run()
    found = json.loads(path.read_text())["status"]
    assert found["stack"] == [frame.name for frame in status.stack]
    assert status.stack[0] == status.pc == found["pc"]
    functions = [frame.function for frame in status.stack]
    assert functions[functions.index("abort") :][:3] == ["abort", "fails", "main"]


@pytest.mark.parametrize("engine", ["py", "c"])
def test_entries_are_returns_missed_and_pending(tmp_path: Path, engine: str) -> None:
    (event,) = document(tmp_path, engine, "trace", event=f"r:main {LOOP}:main")["events"]
    assert event["entries"] == event["returns"] + sum(event["missed"].values()) + event["pending"] == 1


def test_a_consumer_whose_findings_are_no_plain_data_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uprobe_counter.report import TableReport

    monkeypatch.setattr(TableReport, "as_json", lambda _self: {"x": object()})
    with pytest.raises(PluginError, match="consumer 'count' failed to report as JSON: TypeError"):
        document(tmp_path, "py", "count:by=a")


def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    with (
        up.Session([LOOP], report=str(tmp_path / "nowhere" / "x")) as session,
        pytest.raises(UsageError, match="cannot write the report"),
    ):
        session.run()


@pytest.mark.parametrize("name", ["x.pdf", "x.tar.gz", "x.HTML5"])
def test_an_ending_that_says_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with (
        up.Session([LOOP], report=str(tmp_path / name)) as session,
        pytest.raises(UsageError, match="report"),
    ):
        session.run()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.json", "x", "x.JSON", ".x"])
def test_json_is_what_ends_so_or_has_no_ending(tmp_path: Path, name: str) -> None:
    with up.Session([LOOP], report=str(tmp_path / name), output=str(tmp_path / "out")) as session:
        session.run()
    assert json.loads((tmp_path / name).read_text())["version"] == 1


def test_a_folder_for_debug_information_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nowhere' is not there"):
        up.Session([LOOP], debug_folders=["nowhere"]).open()
