"""What the viewers open: Perfetto's packets, speedscope's profiles, flame graphs."""

from __future__ import annotations

import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uprobe_writers.folded import FoldedWriter

import uprobe_core as up
from tests.programs import either, zig
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import EventLine, RunSetup
from uprobe_core.writer import EventSpec, Record, RunHeader

OWN = ("main", "leaf", "odd", "even", "jumper", "outer", "twice")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def run(program: Path, tmp_path: Path, fmt: str, *words: str, **options: Any) -> bytes:
    out = tmp_path / "out"
    setup = RunSetup(argv=(str(program), *words), output=str(out), format=fmt, **options)
    with up.Session.from_setup(setup) as session:
        session.run()
    return out.read_bytes()


def records(program: Path, tmp_path: Path, *words: str, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(program, tmp_path, "jsonl", *words, **options).splitlines()]


# --- Perfetto -----------------------------------------------------------------------------------------


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field, value) of a message of the wire format."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif key & 7 == 1:
            yield key >> 3, int.from_bytes(data[at : at + 8], "little")
            at += 8
        else:
            assert key & 7 == 2
            size, at = varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size


def events(trace: bytes) -> list[tuple[int, int, str, dict[int, Any]]]:
    """(time, type, name, all fields) of each track event, by the numbers of Perfetto's .proto files."""
    found = []
    for number, packet in fields(trace):
        assert number == 1  # Trace.packet
        parts = dict(fields(packet))
        assert parts[10] == 1  # trusted_packet_sequence_id
        if 11 in parts:  # track_event
            event = dict(fields(parts[11]))
            found.append((parts[8], event[9], event.get(23, b"").decode(), event))
    return found


def test_slices_begin_and_end_as_calls_do(program: Path, tmp_path: Path) -> None:
    trace = events(run(program, tmp_path, "perfetto", functions=OWN))
    expected = records(program, tmp_path, functions=OWN)
    begun = [(r["timestamp_ns"], r["event"].split("/")[1]) for r in expected if r["type"] == "entry"]
    assert [(time, name) for time, kind, name, _ in trace if kind == 1] == begun
    kinds = Counter(kind for _, kind, _, _ in trace)
    assert kinds[1] == kinds[2] == len(begun)  # a call that a longjmp ended ends with its caller


def test_perfettos_own_classes_read_it(program: Path, tmp_path: Path) -> None:
    pb2 = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    trace = pb2.Trace()
    trace.ParseFromString(run(program, tmp_path, "perfetto:counter=took", functions=OWN))
    threads = [p.track_descriptor.thread for p in trace.packet if p.track_descriptor.HasField("thread")]
    assert [(t.pid, t.tid, t.thread_name) for t in threads] == [(1000, 1000, "tells_its_calls")]
    slices = [p.track_event for p in trace.packet if p.track_event.type == pb2.TrackEvent.TYPE_SLICE_END]
    names = {note.name for each in slices for note in each.debug_annotations}
    assert names == {"took", "insns"}
    counted = [p.track_event for p in trace.packet if p.track_event.type == pb2.TrackEvent.TYPE_COUNTER]
    took = [r["args"]["took"] for r in records(program, tmp_path, functions=OWN) if r["type"] == "return"]
    assert [each.counter_value for each in counted] == took
    assert not trace.packet[0].track_event.ListFields()


def test_a_fork_is_a_flow_from_the_call_to_the_childs_first_event(tmp_path: Path) -> None:
    program = zig("makes_calls.c")
    trace = events(run(program, tmp_path, "perfetto", "fork", syscalls=True))
    made = [event[47] for _, _, _, event in trace if 47 in event]
    reached = [event[48] for _, _, _, event in trace if 48 in event]
    assert len(made) == 1
    assert made == reached


def test_a_flow_does_not_end_where_none_begins(tmp_path: Path) -> None:
    """Without system calls nothing begins one, and importers count an end alone as an error."""
    program = zig("makes_calls.c")
    trace = events(run(program, tmp_path, "perfetto", "fork", functions=("syscall",)))
    found = trace_events(program, tmp_path, "fork", functions=("syscall",))
    assert len({track for _, _, track, _ in trace}) == len({event["tid"] for event in found}) == 2
    assert not [event for _, _, _, event in trace if 48 in event]
    assert not [event for event in found if event["ph"] in "sf"]


def test_a_task_is_called_what_it_was_called_last(tmp_path: Path) -> None:
    source = tmp_path / "first.c"
    source.write_text(
        "#include <sys/prctl.h>\n#include <unistd.h>\n"
        'int main(void) { prctl(PR_SET_NAME, "second"); getuid(); }\n'
    )
    packets = [grouped(data) for _, data in fields(run(either(source), tmp_path, "perfetto", syscalls=True))]
    tracks = [grouped(packet[60][0]) for packet in packets if 60 in packet]
    threads = [(row[1][0], grouped(row[4][0])[5][0]) for row in tracks if 4 in row]
    assert threads == [(2, b"first"), (2, b"second")]


# --- speedscope ---------------------------------------------------------------------------------------


def test_speedscope_has_a_profile_of_well_nested_calls_for_each_task(program: Path, tmp_path: Path) -> None:
    document = json.loads(run(program, tmp_path, "speedscope", functions=OWN))
    frames = [frame["name"] for frame in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    stack: list[int] = []
    last = profile["startValue"]
    for event in profile["events"]:
        assert event["at"] >= last
        last = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
        else:
            assert stack.pop() == event["frame"]
    assert stack == []
    assert last == profile["endValue"]
    opened = Counter(frames[event["frame"]] for event in profile["events"] if event["type"] == "O")
    hits = Counter(
        r["event"].split("/")[1] for r in records(program, tmp_path, functions=OWN) if r["type"] == "entry"
    )
    assert opened == hits


UNITS = {"bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"}


def test_speedscope_is_as_its_schema_says(program: Path, tmp_path: Path) -> None:
    """What file-format-schema.json asks for, written down from the description of the format."""
    options = {"functions": OWN, "events": (EventLine("i:50"),)}
    document = json.loads(run(program, tmp_path, "speedscope", **options))
    assert document.keys() <= {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
    assert all(frame.keys() <= {"name", "file", "line", "col"} for frame in document["shared"]["frames"])
    frames = range(len(document["shared"]["frames"]))
    common = {"type", "name", "unit", "startValue", "endValue"}
    assert {profile["type"] for profile in document["profiles"]} == {"evented", "sampled"}
    for profile in document["profiles"]:
        assert profile["unit"] in UNITS
        assert profile["startValue"] <= profile["endValue"]
        if profile["type"] == "evented":
            assert profile.keys() == {*common, "events"}
            assert all(event.keys() == {"type", "frame", "at"} for event in profile["events"])
            assert all(event["frame"] in frames for event in profile["events"])
            assert {event["type"] for event in profile["events"]} == {"O", "C"}
        else:
            assert profile.keys() == {*common, "samples", "weights"}
            assert len(profile["samples"]) == len(profile["weights"])
            assert all(frame in frames for sample in profile["samples"] for frame in sample)


# --- Chrome's trace events ----------------------------------------------------------------------------


def trace_events(program: Path, tmp_path: Path, *words: str, **options: Any) -> list[dict[str, Any]]:
    document = json.loads(run(program, tmp_path, "chrome", *words, **options))
    return list(document["traceEvents"])


def test_slices_of_a_task_lie_in_each_other_or_apart(program: Path, tmp_path: Path) -> None:
    """Whatever a longjmp left: a viewer draws what overlaps in part anywhere."""
    found = trace_events(program, tmp_path, functions=OWN)
    times = [(round(e["ts"] * 1000), round(e["dur"] * 1000)) for e in found if e["ph"] == "X"]
    slices = [(begin, begin + took) for begin, took in times]
    expected = records(program, tmp_path, functions=OWN)
    assert len(slices) == sum(record["type"] == "entry" for record in expected)
    for (begin, end), (other, last) in itertools.combinations(slices, 2):
        assert end <= other or last <= begin or begin <= other <= last <= end or other <= begin <= end <= last
    left = [event["name"] for event in found if event.get("args", {}).get("returned") is False]
    assert set(left) == {"jumper"}
    names = {event["name"]: event["args"].keys() for event in found if event["ph"] == "X"}
    assert not any(name.startswith("_") for name in set().union(*names.values()))


def test_both_ends_of_a_flow_are_there_and_its_first_lies_in_the_call(tmp_path: Path) -> None:
    found = trace_events(zig("makes_calls.c"), tmp_path, "fork", syscalls=True)
    (begin,) = (event for event in found if event["ph"] == "s")
    (end,) = (event for event in found if event["ph"] == "f")
    assert (begin["id"], begin["cat"], begin["name"]) == (end["id"], end["cat"], end["name"])
    assert end["tid"] == begin["id"] != begin["tid"]
    (call,) = (e for e in found if (e["ph"], e["name"], e["tid"]) == ("X", "clone", begin["tid"]))
    assert call["ts"] <= begin["ts"] <= min(call["ts"] + call["dur"], end["ts"])


def test_speedscope_has_a_system_call_as_long_as_it_took(tmp_path: Path) -> None:
    program = zig("makes_calls.c")
    document = json.loads(run(program, tmp_path, "speedscope", "fork", syscalls=True))
    frames = [frame["name"] for frame in document["shared"]["frames"]]
    events = document["profiles"][0]["events"]
    lengths = [
        (frames[begin["frame"]], end["at"] - begin["at"])
        for begin, end in zip(events[::2], events[1::2], strict=True)
    ]
    told = [each for each in records(program, tmp_path, "fork", syscalls=True) if each["tid"] == 1000]
    assert lengths == [(each["event"].removeprefix("s/"), each["args"]["took"]) for each in told]
    assert max(length for _, length in lengths) > 0


# --- samples ------------------------------------------------------------------------------------------


SAMPLES = {"events": (EventLine("i:50"),)}


def sampled(program: Path, tmp_path: Path) -> Counter[str]:
    """How often each stack was sampled, by the folded stacks of a run."""
    lines = run(program, tmp_path, "folded", **SAMPLES).decode().splitlines()
    counts = Counter(
        {line.rpartition(" ")[0].partition(";")[2]: int(line.rpartition(" ")[2]) for line in lines}
    )
    assert counts.total() > 20
    return counts


def test_speedscope_has_the_stack_of_each_sample(program: Path, tmp_path: Path) -> None:
    document = json.loads(run(program, tmp_path, "speedscope", **SAMPLES))
    frames = [frame["name"] for frame in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    stacks = Counter(";".join(frames[each] for each in stack) for stack in profile["samples"])
    assert stacks == sampled(program, tmp_path)
    assert profile["type"] == "sampled"
    assert profile["endValue"] == len(profile["weights"]) == len(profile["samples"])


def interned(packets: list[dict[int, list[Any]]], kind: int) -> list[dict[int, list[Any]]]:
    """What packets intern of a kind, by its number in InternedData."""
    tables = [grouped(data) for packet in packets for data in packet.get(12, [])]
    return [grouped(data) for table in tables for data in table.get(kind, [])]


def grouped(data: bytes) -> dict[int, list[Any]]:
    """The values of each field of a message."""
    found: dict[int, list[Any]] = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def test_perfetto_has_the_stack_of_each_sample(program: Path, tmp_path: Path) -> None:
    """By the numbers of profile_common.proto, interned_data.proto and profile_packet.proto."""
    packets = [grouped(data) for _, data in fields(run(program, tmp_path, "perfetto", **SAMPLES))]
    names = {row[1][0]: row[2][0].decode() for row in interned(packets, 5)}
    frames = {row[1][0]: names[row[2][0]] for row in interned(packets, 6)}
    stacks = {row[1][0]: ";".join(frames[each] for each in row[2]) for row in interned(packets, 7)}
    samples = [grouped(packet[66][0]) for packet in packets if 66 in packet]
    assert Counter(stacks[each[4][0]] for each in samples) == sampled(program, tmp_path)
    assert {(each[2][0], each[3][0]) for each in samples} == {(1000, 1000)}


# --- flame graphs -------------------------------------------------------------------------------------


def heap(program: Path) -> dict[str, Any]:
    return {"events": (EventLine(f"p:m {program}:leaf n=%x0:u64"),)}


def test_folded_stacks_add_up_to_the_argument_that_is_their_weight(program: Path, tmp_path: Path) -> None:
    lines = run(program, tmp_path, "folded:weight=n", **heap(program)).decode().splitlines()
    total = sum(record["args"]["n"] for record in records(program, tmp_path, **heap(program)))
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == total


def test_a_folded_stack_is_one_line_whatever_a_task_is_called(tmp_path: Path) -> None:
    spec = EventSpec("p", "g", "e", "/p", 0, 0, (), "p:e /p:0", location="e")
    out = io.BytesIO()
    writer = FoldedWriter(out, RunHeader(("p",), (spec,), {}))
    writer.write(Record(spec, 0, 1, 1, "a;b\nc d", 0, 0, None, (), ("in ner", "outer")))
    writer.close()
    assert out.getvalue() == b"a:b c d;outer;in ner 1\n"


@pytest.mark.parametrize("fmt", ["folded:weight=size", "svg:weight=size"])
def test_a_weight_that_no_event_has_is_refused(program: Path, tmp_path: Path, fmt: str) -> None:
    with pytest.raises(UsageError, match="no event has an argument 'size'"):
        run(program, tmp_path, fmt, **heap(program))


def boxes(picture: bytes) -> list[tuple[str, float, float, float]]:
    """(title, left, width, top) of each box of a flame graph."""
    root = ET.fromstring(picture)
    space = {"s": "http://www.w3.org/2000/svg"}
    found = []
    for group in root.findall("s:g", space):
        title, rect = group.find("s:title", space), group.find("s:rect", space)
        assert title is not None
        assert rect is not None
        numbers = [float(rect.attrib[name]) for name in ("x", "width", "y")]
        found.append((title.text or "", *numbers))
    return found  # type: ignore[return-value]


def test_boxes_are_as_wide_as_their_share_and_lie_on_their_callers(program: Path, tmp_path: Path) -> None:
    picture = run(program, tmp_path, "svg", **heap(program))
    found = boxes(picture)
    assert 0 < max(top for *_, top in found) <= float(ET.fromstring(picture).attrib["height"]) - 18
    hits = len(records(program, tmp_path, **heap(program)))
    assert found[0][0].startswith(f"all: {hits} hits (100.0%)")
    whole = found[0][2]
    assert found[0][1] == 10
    assert whole == pytest.approx(1200 - 2 * 10, abs=1)  # of the picture all but its edges
    for title, left, width, top in found[1:]:
        share = float(re.search(r"\((.*)%\)", title)[1])  # type: ignore[index]
        assert width == pytest.approx(whole * share / 100, abs=1.5)
        below = [
            b for b in found if b[3] == top - 18 and b[1] - 1 <= left and left + width <= b[1] + b[2] + 1
        ]
        assert below, title
    for row in {box[3] for box in found}:
        row_boxes = sorted(box[1:3] for box in found if box[3] == row)
        assert all(a + w <= b + 0.01 for (a, w), (b, _) in itertools.pairwise(row_boxes))


def test_no_text_is_wider_than_its_box(program: Path, tmp_path: Path) -> None:
    picture = run(program, tmp_path, "svg", **heap(program)).decode()
    pairs = re.findall(r'width="([\d.]+)" height="17"[^>]*/>\n(?:<text [^>]*>([^<]*)</text>)?', picture)
    assert pairs
    assert all(
        len(text.replace("&lt;", "<").replace("&gt;", ">")) * 7 <= float(width)
        for width, text in pairs
        if text
    )
