"""An option is one row: command line, set-up file, keywords, schema and manual say the same of it."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Limits, Target
from uprobe_core.cli import build_parser
from uprobe_core.cli.gathering import gather
from uprobe_core.option import PARTS, Option, flags_of
from uprobe_core.run_setup import RunSetup
from uprobe_core.session.choices import OWN
from uprobe_core.setup.file import read_document
from uprobe_core.setup.keywords import setup_from_options
from uprobe_core.setup.options import OPTIONS, combine
from uprobe_core.setup.schema import json_schema

DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = ["./loop", "1"]
WAYS: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "events": (["-e", "p:w ./loop:work"], 'events = ["p:w ./loop:work"]', {"events": ["p:w ./loop:work"]}),
    "consumers": (["-C", "count:by=a"], 'consumers = ["count:by=a"]', {"consumers": ["count:by=a"]}),
    "filters": (["--filter", "w:a > 1"], '[filters]\nw = "a > 1"', {"filters": ["w:a > 1"]}),
    "triggers": (["--trigger", "w:traceoff"], '[triggers]\nw = "traceoff"', {"triggers": ["w:traceoff"]}),
    "env": (["--env", "A=1"], '[target]\nenv = { A = "1" }', {"env": {"A": "1"}}),
    "inherit_env": (["--no-inherit-env"], "[target]\ninherit-env = false", {"inherit_env": False}),
    "address": (["--target", "unix:/x"], '[target]\naddress = "unix:/x"', {"address": "unix:/x"}),
    "pid": (["--pid", "7"], "[target]\npid = 7", {"pid": 7}),
    "maps": (["--map", "a:/b"], '[target]\nmap = ["a:/b"]', {"maps": ["a:/b"]}),
    "cwd": (["--cwd", "/tmp"], '[target]\ncwd = "/tmp"', {"cwd": "/tmp"}),
    "sysroot": (["--sysroot", "root"], '[target]\nsysroot = "root"', {"sysroot": Path("root")}),
    "binds": (["--bind", "a:/b:ro"], '[target]\nbind = ["a:/b:ro"]', {"binds": ["a:/b:ro"]}),
    "debug_folders": (["--debug-dir", "d"], '[target]\ndebug-dirs = ["d"]', {"debug_folders": ["d"]}),
    "allow_net": (["--allow-net"], "[target]\nallow-net = true", {"allow_net": True}),
    "sandbox": (["--sandbox", "require"], '[target]\nsandbox = "require"', {"sandbox": "require"}),
    "seed": (["--seed", "0x7"], "[target]\nseed = 7", {"seed": 7}),
    "clock": (["--clock", "host"], '[target]\nclock = "host"', {"clock": "host"}),
    "follow": (["--no-follow"], "[target]\nfollow = false", {"follow": False}),
    "output": (["-o", "x"], '[output]\nfile = "x"', {"output": "x"}),
    "format": (["--format", "jsonl"], '[output]\nformat = "jsonl"', {"format": "jsonl"}),
    "profile": (["--profile", "-"], '[output]\nprofile = "-"', {"profile": "-"}),
    "report": (["--report", "-"], '[output]\nreport = "-"', {"report": "-"}),
    "expect": (["--expect", "w.hits > 1"], '[expect]\nthat = ["w.hits > 1"]', {"expect": ["w.hits > 1"]}),
    "require_hits": (["--require-hits"], "[expect]\nrequire-hits = true", {"require_hits": True}),
    "baseline": (["--baseline", "b"], '[expect]\nbaseline = "b"', {"baseline": "b"}),
    "junit_xml": (["--junit-xml", "-"], '[expect]\njunit-xml = "-"', {"junit_xml": "-"}),
    "coverage": (["--coverage", "c.info"], '[output]\ncoverage = ["c.info"]', {"coverage": ["c.info"]}),
    "interval": (["--interval", "0.5"], "[output]\ninterval = 0.5", {"interval": 0.5}),
    "lossy": (["--lossy", "9"], "[output]\nlossy = 9", {"lossy": 9}),
    "backend": (["--backend", "b"], '[run]\nbackend = "b"', {"backend": "b"}),
    "decoder": (["--decoder", "d"], '[run]\ndecoder = "d"', {"decoder": "d"}),
    "arch": (["--arch", "a"], '[run]\narch = "a"', {"arch": "a"}),
    "mode": (["--mode", "jump"], '[run]\nmode = "jump"', {"mode": "jump"}),
    "policy": (["--policy", "kernel:6.1"], '[run]\npolicy = "kernel:6.1"', {"policy": "kernel:6.1"}),
    "returns": (["--returns", "watch"], '[run]\nreturns = "watch"', {"returns": "watch"}),
    "engine": (["--engine", "py"], '[run]\nengine = "py"', {"engine": "py"}),
    "strict": (["--strict"], "[run]\nstrict = true", {"strict": True}),
    "functions": (["-F", "libc:str*"], '[functions]\nmatch = ["libc:str*"]', {"functions": ["libc:str*"]}),
    "syscalls": (["-S"], "[functions]\nsyscalls = true", {"syscalls": True}),
    "exclude": (["--exclude", "*_r"], '[functions]\nexclude = ["*_r"]', {"exclude": ["*_r"]}),
    "depth": (["--depth", "3"], "[output]\ndepth = 3", {"depth": 3}),
    "min_time": (["--min-time", "1.5us"], '[output]\nmin-time = "1.5us"', {"min_time": "1.5us"}),
    "tree_of": (["--tree-of", "main"], '[output]\ntree-of = "main"', {"tree_of": "main"}),
    "stop_at": (["--stop-at", "w#3"], '[run]\nstop-at = "w#3"', {"stop_at": "w#3"}),
    "gdb": (["--gdb", "unix:/x"], '[run]\ngdb = "unix:/x"', {"gdb": "unix:/x"}),
    "control": (["--control", "auto"], '[run]\ncontrol = "auto"', {"control": "auto"}),
    "repl": (["--repl"], "[run]\nrepl = true", {"repl": True}),
    "debug": (["--debug="], "[run]\ndebug = true", {"debug": True}),
    "explain": (
        ["--debug=hits,places"],
        '[run]\nexplain = ["hits", "places"]',
        {"explain": ["hits", "places"]},
    ),
    "handler_timeout": (
        ["--handler-timeout", "2"],
        "[limits]\nhandler-seconds = 2",
        {"handler_timeout": 2},
    ),
    "timeout": (["--timeout", "1.5"], "[limits]\nseconds = 1.5", {"timeout": 1.5}),
    "max_insns": (["--max-insns", "7"], "[limits]\ninstructions = 7", {"max_insns": 7}),
    "max_memory": (["--max-memory", "2K"], '[limits]\nmemory = "2K"', {"max_memory": "2K"}),
    "max_processes": (["--max-processes", "2"], "[limits]\nprocesses = 2", {"max_processes": 2}),
}
"""Each option said in three ways."""


def command_line(*words: str) -> RunSetup:
    """What ``uprobe run`` makes of *words*."""
    return gather(build_parser("run").parse_args([*words, *PROGRAM])).setup


def set_up_file(text: str) -> RunSetup:
    """What a set-up file means for the same program."""
    found = read_document(tomllib.loads(text), "x.toml")
    assert found.problems == []
    return combine({"argv": tuple(PROGRAM)}, found.given)


def without_sources(setup: RunSetup) -> RunSetup:
    """*setup* with event lines that do not say where they come from."""
    return replace(setup, events=tuple(replace(line, source="") for line in setup.events))


@pytest.mark.parametrize("name", WAYS)
def test_command_line_file_and_keywords_mean_the_same(name: str) -> None:
    words, text, keywords = WAYS[name]
    found = [command_line(*words), set_up_file(text), setup_from_options(PROGRAM, keywords)]
    first, *others = map(without_sources, found)
    assert first != RunSetup(argv=tuple(PROGRAM))
    assert others == [first, first]


def test_every_option_with_a_flag_is_said_in_three_ways_above() -> None:
    assert {row.name for row in OPTIONS if row.field and row.flags.startswith("-")} == set(WAYS)


def test_every_field_of_a_set_up_has_a_row() -> None:
    own = {row.field for row in OPTIONS if not row.owner} - {""}
    assert own == {field.name for field in fields(RunSetup)} - {"limits"}
    assert {row.field for row in OPTIONS if row.owner} == {field.name for field in fields(Limits)}


def test_a_backend_is_told_what_it_asks_for_by_name() -> None:
    assert {field.name for field in fields(Target)} - OWN <= {field.name for field in fields(RunSetup)}


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row.name)
def test_a_row_shows_in_help_schema_and_manual(row: Option) -> None:
    assert row.part in PARTS
    for flag in flags_of(row)[0]:
        for command in ("run", "check"):
            assert flag in build_parser(command).format_help()
        assert flag in (DOCS / "cli.md").read_text()
    if row.table:
        assert row.key in json_schema()["properties"][row.table]["properties"]
        assert f"| `{row.key}` | " in (DOCS / "config.md").read_text()
    if row.field and row.name != "argv":
        assert f"| `{row.name}` | " in (DOCS / "python.md").read_text()


def test_lists_of_the_command_line_are_added_in_its_order(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("p:two ./loop:work\n")
    found = command_line("-e", "p:one ./loop:work", "-f", str(lines), "-e", "p:three ./loop:work")
    assert [line.text.split()[0] for line in found.events] == ["p:one", "p:two", "p:three"]


def test_a_second_set_up_file_comes_on_top_of_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(
        'events = ["p:one ./loop:work"]\n[target]\nseed = 1\nclock = "host"\nenv = { A = "1", B = "1" }\n'
        "[limits]\nseconds = 1\nprocesses = 3\n"
    )
    second.write_text(
        'events = ["p:two ./loop:work"]\n[target]\nseed = 2\nenv = { A = "2" }\n[limits]\nseconds = 2\n'
    )
    found = command_line("-c", str(first), "-e", "p:three ./loop:work", "-c", str(second))
    assert [line.text.split()[0] for line in found.events] == ["p:one", "p:two", "p:three"]
    assert (found.seed, found.clock, found.env) == (2, "host", {"A": "2", "B": "1"})
    assert found.limits == Limits(seconds=2, processes=3)


@pytest.mark.parametrize("policy", ["anywhere", "kernel"])
def test_the_policy_of_the_whole_decides_how_a_file_of_events_is_read(tmp_path: Path, policy: str) -> None:
    lines, document = tmp_path / "lines", tmp_path / "x.toml"
    lines.write_text("p:one ./loop:work \\\n a=%x0\n")
    document.write_text(f'events-files = ["{lines}"]\n')
    found = command_line("-c", str(document), "--policy", policy)
    assert len(found.events) == (1 if policy == "anywhere" else 2)
