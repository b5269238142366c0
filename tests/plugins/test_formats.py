"""Each output format as its readers read it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_writers.jsonl import json_value

import uprobe_core as up
from tests.programs import FRAME_POINTERS, zig
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.writer import escaped

Run = Callable[..., bytes]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the program with probes on entry and return of two functions; gives what was written."""
    program = zig("stacks.c", *FRAME_POINTERS)
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
    assert {r["v"] for r in records} == {2}
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
    program, out = zig("stacks.c", *FRAME_POINTERS), tmp_path / "out"
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
        assert event["ph"] in {"X", "i", "M", "s", "f"}
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


# --- text that is not UTF-8, values that are not there ------------------------------------------------

BYTES = [
    b"plain",
    b"caf\xc3\xa9",
    b"\xff\xfe",
    b"\\x41",
    b"\\\xff",
    b"a\\xffb",
    b"\\x5c",
    b"\xed\xa0\x80",
    b"\\",
    b"\\xZZ",
]
"""What a guest passes: UTF-8, bytes that are none, and text that looks like their escapes."""


def unescaped(text: str) -> bytes:
    """The guest's bytes, as the manual says."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode())


@pytest.fixture(params=["py", "c"])
def taken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Pass BYTES to a function whose argument is recorded; gives what was written."""
    if request.param == "c":
        pytest.importorskip("uprobe_core.native._engine")
    monkeypatch.setenv("UPROBE_ENGINE", request.param)
    program, out = zig("takes.c"), tmp_path / "out"
    line = f"p:g/take {program}:take text=+0(%x1):string bad=+0(%x2):string"

    def go(fmt: str) -> bytes:
        argv = (str(program), *(os.fsdecode(each) for each in BYTES))
        setup = RunSetup(argv=argv, events=(EventLine(line),), output=str(out), format=fmt)
        with up.Session.from_setup(setup) as session:
            session.run()
        return out.read_bytes()

    return go


def test_json_lines_are_utf_8_and_bytes_that_are_not_can_be_got_back(taken: Run) -> None:
    records = [json.loads(line.decode("utf-8")) for line in taken("jsonl").splitlines()]
    texts = [record["args"]["text"] for record in records]
    assert [text.encode("utf-8", "strict") for text in texts]  # no lone surrogate
    assert texts[:2] == ["plain", "café"]
    assert [unescaped(text) for text in texts] == BYTES


def test_csv_has_the_text_of_json_lines(taken: Run) -> None:
    texts = [json.loads(line)["args"]["text"] for line in taken("jsonl").splitlines()]
    assert [row["text"] for row in csv.DictReader(io.StringIO(taken("csv").decode("utf-8")))] == texts


def test_parquet_has_the_text_of_json_lines(taken: Run) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra uprobe[parquet]")
    import pyarrow.parquet as parquet

    texts = [json.loads(line)["args"]["text"] for line in taken("jsonl").splitlines()]
    assert parquet.read_table(io.BytesIO(taken("parquet"))).column("text").to_pylist() == texts


def test_what_cannot_be_read_is_null_where_a_format_has_it(taken: Run) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra uprobe[parquet]")
    import pyarrow.parquet as parquet

    assert {json.loads(line)["args"]["bad"] for line in taken("jsonl").splitlines()} == {None}
    assert set(parquet.read_table(io.BytesIO(taken("parquet"))).column("bad").to_pylist()) == {None}
    chrome = [e for e in json.loads(taken("chrome"))["traceEvents"] if e["ph"] == "i"]
    assert {event["args"]["bad"] for event in chrome} == {None}
    assert b"(fault)" in taken("csv")


def test_time_has_one_name_in_every_format(taken: Run) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra uprobe[parquet]")
    import pyarrow.parquet as parquet

    times = [json.loads(line)["timestamp_ns"] for line in taken("jsonl").splitlines()]
    rows = csv.DictReader(io.StringIO(taken("csv").decode()))
    assert [int(row["timestamp_ns"]) for row in rows] == times
    assert parquet.read_table(io.BytesIO(taken("parquet"))).column("timestamp_ns").to_pylist() == times


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ((1.5, float("-inf")), [1.5, "-Infinity"]),
        (("a\udcff", None), ["a\\xff", None]),
    ],
)
def test_json_has_no_number_that_is_not_finite_and_no_array_that_is_not_utf_8(
    value: Any, written: Any
) -> None:
    assert json_value(value) == written


def test_a_report_in_json_is_utf_8_too(tmp_path: Path) -> None:
    program, report = str(zig("takes.c")), tmp_path / "report"
    setup = RunSetup(
        argv=(program, os.fsdecode(b"\xff")),
        events=(EventLine(f"p:g/take {program}:take text=+0(%x1):string"),),
        consumers=(ConsumerUse("count", {"by": "text"}),),
        output=os.devnull,
        report=(str(report),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    document = json.loads(report.read_bytes().decode("utf-8"))
    json.dumps(document, ensure_ascii=False).encode("utf-8")  # no lone surrogate
    assert document["consumers"][0]["found"]["events"] == {"g/take": {"\\xff": 1}}


@given(st.binary())
def test_any_bytes_can_be_got_back(data: bytes) -> None:
    assert unescaped(escaped(data.decode("utf-8", "surrogateescape"))) == data
