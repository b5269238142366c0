"""Tables call functions as the source does, beside binutils' nm and c++filt; a name that was given stays."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup

TABLES = ("summary", "count", "returns", "latency")
needs_binutils = pytest.mark.skipif(
    shutil.which("nm") is None or shutil.which("c++filt") is None, reason="needs nm and c++filt (binutils)"
)


def run(tmp_path: Path, source: str, *consumers: ConsumerUse, **options: Any) -> str:
    """What the run prints."""
    out = tmp_path / "out"
    setup = RunSetup(argv=(str(zig(source)),), consumers=consumers, output=str(out), **options)
    with up.Session.from_setup(setup) as session:
        session.run()
    return out.read_text()


def by_binutils(source: str, part: str) -> set[str]:
    """Functions with *part* in their symbols, without parameters, and with them if that leaves two alike."""
    lines = subprocess.run(["nm", str(zig(source))], capture_output=True, text=True, check=True).stdout
    names = re.findall(f"(?m)^[0-9a-f]+ [tTwW] (.*{part}.*)$", lines)
    short, whole = (
        subprocess.run(["c++filt", *options, *names], capture_output=True, text=True, check=True)
        .stdout.strip()
        .splitlines()
        for options in (["-p"], [])
    )
    often = Counter(short)
    return {long if often[name] > 1 else name for name, long in zip(short, whole, strict=True)}


def in_table(text: str, title: str) -> set[str]:
    """The names in the last column of a table of all functions."""
    lines = text.split(f"{title}\n")[1].splitlines()
    rows = itertools.takewhile(lambda line: line.startswith(" "), lines)
    return {found[1] for found in map(re.compile(" app/(.*)$").search, rows) if found}


@needs_binutils
def test_tables_of_functions_call_them_as_a_demangler_does(tmp_path: Path) -> None:
    program = zig("named_alike.cc")
    text = run(
        tmp_path, "named_alike.cc", *map(ConsumerUse, ("summary", "count")), functions=(f"{program}:app::*",)
    )
    text = text.replace(f" {program.stem}/", " app/")
    expected = by_binutils("named_alike.cc", "3app")
    assert "app::add(int, int)" in expected
    assert "app::all" in expected
    assert in_table(text, "summary of calls") == in_table(text, "count") == expected


@needs_binutils
def test_a_graph_has_the_same_names(tmp_path: Path) -> None:
    text = run(
        tmp_path,
        "named_alike.cc",
        ConsumerUse("graph"),
        functions=(f"{zig('named_alike.cc')}:app::*",),
    )
    shown = {re.split(r" {2,}", line.strip(), maxsplit=2)[2] for line in text.splitlines()[1:]}
    assert shown == by_binutils("named_alike.cc", "3app")


@needs_binutils
def test_names_of_rust_are_those_of_its_source_too(tmp_path: Path) -> None:
    source = "named_by_rust.c"
    program = zig(source)
    text = run(tmp_path, source, ConsumerUse("count"), functions=(f"{program}:shop::*",))
    shown = in_table(text.replace(f" {program.stem}/", " app/"), "count")
    without_sums = {re.sub(r"::h0123456789abcdef|\[\w+\]", "", name) for name in by_binutils(source, "4shop")}
    assert shown == {name.replace("<shop::stock::Item>", "shop::stock::Item") for name in without_sums}


def test_each_kind_of_table_heads_an_event_by_its_function(tmp_path: Path) -> None:
    program = zig("named_alike.cc")
    line = EventLine(f"p {program}:app::all")
    text = run(tmp_path, "named_alike.cc", *map(ConsumerUse, TABLES), events=(line,))
    assert len(re.findall(r"(?m)uprobes/app::all\b", text)) == text.count("uprobes/app") == len(TABLES)
    assert "app__all" not in text


def test_an_event_that_somebody_named_keeps_its_name(tmp_path: Path) -> None:
    program = zig("named_alike.cc")
    lines = (EventLine(f"p:mine {program}:app::all"), EventLine(f"p:ours/adds {program}:app::add"))
    text = run(tmp_path, "named_alike.cc", *map(ConsumerUse, ("summary", "count")), events=lines)
    assert set(re.findall(r"\S+/\S+", text)) == {"uprobes/mine", "ours/adds"}


def test_json_has_the_name_of_the_event_and_beside_it_the_readable_one(tmp_path: Path) -> None:
    line, path = EventLine(f"p {zig('named_alike.cc')}:app::all"), tmp_path / "report.json"
    run(tmp_path, "named_alike.cc", ConsumerUse("summary"), events=(line,), report=(str(path),))
    report = json.loads(path.read_text())
    assert [(each["name"], each["readable"]) for each in report["events"]] == [
        ("uprobes/app__all", "uprobes/app::all")
    ]
    assert list(report["consumers"][0]["found"]["events"]) == ["uprobes/app__all"]


def test_markdown_has_the_readable_one(tmp_path: Path) -> None:
    line, path = EventLine(f"p {zig('named_alike.cc')}:app::all"), tmp_path / "report.markdown"
    run(tmp_path, "named_alike.cc", ConsumerUse("summary"), events=(line,), report=(str(path),))
    assert "| uprobes/app::all | 1 |" in path.read_text()
    assert "app__all" not in path.read_text()


def test_what_a_table_calls_an_event_is_understood_as_its_name(tmp_path: Path) -> None:
    program = zig("named_alike.cc")
    lines = (EventLine(f"p {program}:app::add"),)
    text = run(
        tmp_path, "named_alike.cc", ConsumerUse("count", event="uprobes/app::add(int, int)"), events=lines
    )
    assert text == "uprobes/app::add(int, int): count\n  1\n"
