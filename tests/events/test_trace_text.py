"""Trace text is the kernel's, character for character (recorded on Linux 6.12.117, Debian, arm64)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.events.support import DATA, Tree, make_language
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec, FetchArg, Record
from uprobe_core.events.table import EventTable
from uprobe_core.events.trace_text import format_record, header, profile_line

TRACES = sorted(
    path.parent
    for path in (DATA / "traces").glob("*/case.json")
    if "uprobe_events" in json.loads(path.read_text())
)
LINE = re.compile(
    r"^ *(?P<comm>.{1,16}?)-(?P<tid>\d+) +\[(?P<cpu>\d+)\] (?P<flags>\S+) +(?P<secs>\d+)\.(?P<micros>\d+): "
    r"(?P<event>\w+): \(0x(?P<ip>[0-9a-f]+)(?: <- 0x(?P<func>[0-9a-f]+))?\)(?P<args>.*)$",
    re.DOTALL,
)
RECORD_START = re.compile(r"^ *.{1,16}-\d+ +\[\d+\] \S+ +\d+\.\d+: ")


def number(text: str, arg: FetchArg) -> Any:
    """The value that a kernel printed for one element of *arg*."""
    if arg.type.is_string:
        return None if text == "(fault)" else text[1:-1]
    if arg.type.kind == "c":
        return text.encode("utf-8", "surrogateescape")[1]
    return int(text, 0)


def parse_values(text: str, spec: EventSpec) -> tuple[Any, ...] | None:
    """The values in the text after the address; None when the event has other arguments."""
    pattern = "".join(
        rf" {arg.name}=({'.*' if arg.type.is_string or arg.count else r'.*?'})" for arg in spec.args
    )
    match = re.fullmatch(pattern, text, re.DOTALL)
    if match is None:
        return None
    found = []
    for arg, part in zip(spec.args, match.groups(), strict=True):
        many = re.findall(r'"[^"]*"|\(fault\)|[^,{}]+', part) if arg.count else [part]
        values = tuple(number(each, arg) for each in many)
        found.append(values if arg.count else values[0])
    return tuple(found)


def records(folder: Path) -> list[str]:
    """The lines of a recorded trace; a string with a newline stays in one."""
    found: list[str] = []
    text = (folder / "trace").read_text(encoding="utf-8", errors="surrogateescape")
    for line in text.split("\n"):
        if RECORD_START.match(line):
            found.append(line)
        elif found and line and not line.startswith("#"):
            found[-1] += "\n" + line
    return found


def events(folder: Path) -> list[EventSpec]:
    """The events of the recording."""
    case = json.loads((folder / "case.json").read_text())
    table = EventTable(make_language(tree=Tree([case["guest_path"]])))
    for line in case["uprobe_events"]:
        try:
            table.write(line)
        except SpecError:
            continue  # refused when it was recorded, too
    return list(table)


@pytest.mark.parametrize("folder", TRACES, ids=lambda folder: folder.name)
def test_every_recorded_line_is_formatted_back_to_itself(folder: Path) -> None:
    specs, compared = events(folder), 0
    for line in records(folder):
        match = LINE.match(line)
        assert match is not None, line
        named = [(spec, parse_values(match["args"], spec)) for spec in specs if spec.name == match["event"]]
        spec, values = next((spec, values) for spec, values in named if values is not None)
        record = Record(
            spec,
            int(match["secs"]) * 10**9 + int(match["micros"]) * 1000,
            int(match["tid"]),
            int(match["tid"]),
            match["comm"],
            int(match["cpu"]),
            int(match["ip"], 16),
            int(match["func"], 16) if match["func"] else None,
            values,
        )
        assert format_record(record).replace(" ..... ", f" {match['flags']} ") == line
        compared += 1
    assert compared == len(records(folder))


@pytest.mark.parametrize("folder", TRACES, ids=lambda folder: folder.name)
def test_the_recorded_listing_is_the_tables(folder: Path) -> None:
    case = json.loads((folder / "case.json").read_text())
    table = EventTable(make_language(tree=Tree([case["guest_path"]])))
    for line in case["uprobe_events"]:
        try:
            table.write(line)
        except SpecError:
            continue
    assert table.listing() == (folder / "uprobe_events.readback").read_text().splitlines()


@pytest.mark.parametrize("folder", TRACES, ids=lambda folder: folder.name)
def test_profile_lines_are_the_recorded_ones(folder: Path) -> None:
    for line in (folder / "uprobe_profile").read_text().splitlines():
        path, name, hits = line.split()
        assert profile_line(path, name, int(hits)) == line


def test_the_header_is_the_recorded_one() -> None:
    recorded = (DATA / "traces" / "loops-basic" / "trace").read_text()
    assert recorded.startswith(header(26, cpus=2))


def test_a_missed_column_follows_the_hits() -> None:
    assert profile_line("/bin/a", "ev", 7, 2).split() == ["/bin/a", "ev", "7", "2"]
