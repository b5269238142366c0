"""Each output format as its readers read it."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.run_setup import EventLine, RunSetup

Run = Callable[..., bytes]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the program with probes on entry and return of two functions; gives what was written."""
    program = zig("stacks.c", "-fno-omit-frame-pointer")
    out = tmp_path / "out"

    def go(fmt: str) -> bytes:
        setup = {
            "p:g/in": f"{program}:down n=%x0:s32 text=\\1:u8",
            "r:g/out": f"{program}:down rv=$retval:s32",
            "p:g/leaf": f"{program}:leaf bad=+0(%x0):string pair=+0(%sp):x8[2]",
        }
        events = tuple(EventLine(f"{head} {rest}") for head, rest in setup.items())
        with up.Session.from_setup(
            RunSetup(argv=(str(program),), events=events, output=str(out), format=fmt)
        ) as session:
            session.run()
        return out.read_bytes()

    return go


def test_jsonl_is_one_typed_versioned_object_per_hit(run: Run) -> None:
    records = [json.loads(line) for line in run("jsonl").splitlines()]
    assert [r["event"] for r in records] == [*["g/in"] * 4, "g/leaf", *["g/out"] * 4, "g/leaf"]
    assert {r["v"] for r in records} == {1}
    assert [r["args"]["n"] for r in records if r["event"] == "g/in"] == [3, 2, 1, 0]
    assert [r["args"]["rv"] for r in records if r["event"] == "g/out"] == [2, 3, 4, 5]
    assert records[4]["args"]["bad"] is None
    assert len(records[4]["args"]["pair"]) == 2


def test_csv_has_a_column_for_every_argument(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("csv").decode())))
    assert [row["n"] for row in rows if row["event"] == "g/in"] == ["3", "2", "1", "0"]
    assert [row["rv"] for row in rows if row["event"] == "g/out"] == ["2", "3", "4", "5"]
    assert rows[4]["bad"] == "(fault)"
    assert rows[4]["n"] == ""


def test_a_lossy_run_keeps_the_last_records_and_says_how_many_it_dropped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program, out = zig("stacks.c", "-fno-omit-frame-pointer"), tmp_path / "out"
    events = (EventLine(f"p:down {program}:down n=%x0:s32"),)
    setup = RunSetup(argv=(str(program),), events=events, output=str(out), lossy=2)
    with up.Session.from_setup(setup) as session:
        session.run()
    first, *lines = out.read_text().splitlines()
    assert first == "CPU:0 [LOST 2 EVENTS]"
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["n=1", "n=0"]
    assert "2 records were dropped" in capfd.readouterr().err


def _slices(data: bytes) -> list[dict[str, Any]]:
    return [e for e in json.loads(data)["traceEvents"] if e["ph"] == "X"]


def test_chrome_slices_are_calls_that_nest(run: Run) -> None:
    slices = sorted(_slices(run("chrome")), key=lambda e: e["ts"])
    assert [e["args"]["n"] for e in slices] == [3, 2, 1, 0]
    for outer, inner in itertools.pairwise(slices):
        assert outer["ts"] < inner["ts"]
        assert inner["ts"] + inner["dur"] < outer["ts"] + outer["dur"]


def test_chrome_events_have_what_the_format_asks_for(run: Run) -> None:
    for event in json.loads(run("chrome"))["traceEvents"]:
        assert {"ph", "name", "pid", "tid"} <= event.keys()
        assert event["ph"] in {"X", "i", "M"}
        assert event["ph"] == "M" or isinstance(event["ts"], float)
        assert event["ph"] != "i" or event["s"] == "t"


def test_folded_stacks_run_from_the_outermost_frame_and_count_every_hit(run: Run) -> None:
    lines = [line.rsplit(" ", 1) for line in run("folded").decode().splitlines()]
    assert sum(int(count) for _, count in lines) == 10
    assert any(stack.endswith("main;down;down;down;down;leaf") for stack, _ in lines)


def test_parquet_keeps_types(run: Run) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra uprobe[parquet]")
    import pyarrow.parquet as parquet

    table = parquet.read_table(io.BytesIO(run("parquet")))
    assert table.schema.field("n").type == pyarrow.int64()
    assert [n for n in table.column("n").to_pylist() if n is not None] == [3, 2, 1, 0]
