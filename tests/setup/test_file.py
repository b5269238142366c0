"""Set-up files: what each key means, and every mistake named with what is allowed."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uprobe_core.backend import Bind, Limits
from uprobe_core.errors import ConfigError
from uprobe_core.run_setup import ConsumerUse, FilterUse, RunSetup, TriggerUse
from uprobe_core.setup.file import read_document, read_file
from uprobe_core.setup.options import TABLES, combine
from uprobe_core.setup.schema import CONSUMER, EVENT, json_schema
from uprobe_core.types import Mode, Policy, Returns

ROOT = Path(__file__).parents[2]
EVERYTHING = """
events = [
    "p:work ./loop:work a=%x0",
    { type = "r", group = "g", name = "ret", place = "./loop:work", args = [
        "rv=$retval",
    ], filter = "rv > 3", triggers = ["traceoff"] },
]
consumers = [
    "count:by=a,event=work",
    { name = "hist", event = "g/ret", options = { arg = "rv", step = 3, when = true } },
]

[target]
argv = ["./loop", "3"]
env = { A = "b", GONE = false }
inherit-env = false
address = "unix:/x"
pid = 7
map = ["a:/b"]
cwd = "/tmp"
sysroot = "root"
sysroot-read-only = true
bind = ["data:/data", "x:/y:ro"]
debug-dirs = ["dbg"]
allow-net = true
sandbox = "require"
seed = 7
clock = "host"
follow = false

[run]
backend = "b"
decoder = "d"
arch = "a"
mode = "trap"
policy = "kernel:6.1"
returns = "hijack"
engine = "py"
strict = true
debug = true
stop-at = "work#3"
gdb = "unix:/x"
control = "auto"
repl = true
explain = ["hits"]

[output]
file = "out"
format = "jsonl"
profile = "-"
report = "run.json"
coverage = ["cov.info"]
interval = 1
lossy = 10
depth = 3
min-time = "1.5us"
tree-of = "main"

[functions]
match = ["./loop:w*", "libc:str*"]
exclude = ["*_r"]
syscalls = true

[expect]
that = ["work.hits > 1"]
require-hits = true
baseline = "base.json"
junit-xml = "junit.xml"

[limits]
seconds = 1.5
instructions = 1000
memory = "2M"
processes = 4
handler-seconds = 2

[filters]
work = "a > 3"

[triggers]
work = ["stacktrace", "hist:keys=a"]
"g/ret" = "traceon"
"""


def parse(text: str) -> RunSetup:
    """The set-up of a document."""
    found = read_document(tomllib.loads(text), "x.toml")
    assert found.problems == []
    return combine(found.given)


def problems(text: str) -> list[str]:
    """The messages for a document that is wrong."""
    return [str(problem) for problem in read_document(tomllib.loads(text), "x.toml").problems]


def test_every_key_ends_up_in_the_setup() -> None:
    setup = parse(EVERYTHING)
    assert [line.text for line in setup.events] == [
        "p:work ./loop:work a=%x0",
        "r:g/ret ./loop:work rv=$retval",
    ]
    assert setup.consumers == (
        ConsumerUse("count", {"by": "a"}, "work"),
        ConsumerUse("hist", {"arg": "rv", "step": "3", "when": "true"}, "g/ret"),
    )
    assert setup.filters == (FilterUse("g/ret", "rv > 3"), FilterUse("work", "a > 3"))
    assert setup.triggers == (
        TriggerUse("g/ret", "traceoff"),
        TriggerUse("work", "stacktrace"),
        TriggerUse("work", "hist:keys=a"),
        TriggerUse("g/ret", "traceon"),
    )
    plain = dataclasses.replace(setup, events=(), consumers=(), filters=(), triggers=())
    assert plain == RunSetup(
        argv=("./loop", "3"),
        address="unix:/x",
        pid=7,
        maps=(Bind("a", "/b"),),
        env={"A": "b", "GONE": None},
        inherit_env=False,
        cwd="/tmp",
        sysroot="root",
        sysroot_read_only=True,
        binds=(Bind("data", "/data"), Bind("x", "/y", read_only=True)),
        debug_folders=("dbg",),
        allow_net=True,
        sandbox="require",
        seed=7,
        clock="host",
        follow=False,
        expect=("work.hits > 1",),
        require_hits=True,
        baseline="base.json",
        junit_xml="junit.xml",
        backend="b",
        decoder="d",
        arch="a",
        mode=Mode.TRAP,
        policy=Policy("kernel", "6.1"),
        returns=Returns.HIJACK,
        engine="py",
        strict=True,
        debug=True,
        stop_at="work#3",
        gdb="unix:/x",
        control="auto",
        repl=True,
        explain=("hits",),
        output="out",
        format="jsonl",
        profile="-",
        report=("run.json",),
        coverage=("cov.info",),
        interval=1,
        lossy=10,
        depth=3,
        min_time=1500,
        tree_of="main",
        functions=("./loop:w*", "libc:str*"),
        exclude=("*_r",),
        syscalls=True,
        limits=Limits(1.5, 1000, 2 << 20, 4),
        handler_timeout=2,
    )


def test_the_example_of_this_test_uses_every_key() -> None:
    document = tomllib.loads(EVERYTHING)
    for table, keys in TABLES.items():
        assert set(document[table]) == set(keys)
    assert set(document["events"][1]) | {"line"} == set(EVENT)
    assert set(document["consumers"][1]) == set(CONSUMER)


def test_an_empty_file_is_the_default_setup() -> None:
    assert parse("") == RunSetup()


def test_event_files_are_read_with_their_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "probes"
    path.write_text("# comment\n\np:a ./x:1 \\\n  v=%x0\nr:b ./x:2  # more\n")
    setup = parse(f'events-files = ["{path}"]')
    assert [(line.text.split(), line.source, line.number) for line in setup.events] == [
        (["p:a", "./x:1", "v=%x0"], str(path), 3),
        (["r:b", "./x:2", "#", "more"], str(path), 5),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope = 1", "x.toml: nope: unknown table or key 'nope'"),
        ("[run]\nmod = 1", "x.toml: [run] mod: unknown key 'mod'; allowed: backend, decoder, arch, mode"),
        ('[run]\nmode = "slow"', 'x.toml: [run] mode: "slow" is not one of "auto", "trap", "jump", "inline"'),
        ('[run]\npolicy = "kernel:x"', 'x.toml: [run] policy: "kernel:x" is not "anywhere", "kernel" or'),
        ("[limits]\nseconds = 0", "x.toml: [limits] seconds: 0 is not a number of seconds greater than 0"),
        ("[limits]\nseconds = true", "x.toml: [limits] seconds: true is not a number of seconds"),
        ('[limits]\nmemory = "2Q"', 'x.toml: [limits] memory: "2Q" is not a number of bytes'),
        ("[limits]\ninstructions = 0", "x.toml: [limits] instructions: 0 is not a whole number, 1 or more"),
        ("[target]\nseed = -1", "x.toml: [target] seed: -1 is not a whole number, 0 or more"),
        ('[target]\nargv = "loop 3"', 'x.toml: [target] argv: "loop 3" is not a list of strings'),
        ('[target]\nbind = ["a:b"]', "x.toml: [target] bind: ['a:b'] is not a list of \"HOST:GUEST\""),
        ("[target]\nenv = { A = 1 }", "x.toml: [target] env: {'A': 1} is not a table of strings"),
        ("target = 3", "x.toml: [target]: must be a table, not 3"),
        ("events = 3", "x.toml: events: must be a list, not 3"),
        ("events = [3]", "x.toml: [events[0]]: must be a table, not 3"),
        ("[[events]]\nname = 'x'", "x.toml: [events[0]]: needs either 'line' or 'place'"),
        (
            "[[events]]\nline = 'p a/b:1'\nname = 'x'",
            "x.toml: [events[0]] name: name cannot stand beside 'line'",
        ),
        (
            "[[events]]\nplace = 'a/b:1'\nfilter = 'x'",
            "x.toml: [events[0]] filter: an event with filter needs a name",
        ),
        (
            "[[consumers]]\nevent = 'x'",
            "x.toml: [consumers[0]] name: 'name' is missing: name of the consumer",
        ),
        ("consumers = [':']", "x.toml: [consumers[0]]: consumer ':' has no name"),
        ("[filters]\n'a b' = 'x'", "x.toml: [filters] a b: filter 'a b:x' is not EVENT:TEXT"),
        ("[filters]\nwork = 3", "x.toml: [filters] work: 3 is not a string"),
        ("[triggers]\nwork = [3]", "x.toml: [triggers] work: [3] is not a string or a list of strings"),
        ("events-files = ['/nope']", "x.toml: events-files: cannot read /nope: No such file or directory"),
    ],
)
def test_a_mistake_is_named_by_file_table_key_value_and_what_is_allowed(text: str, message: str) -> None:
    (found,) = problems(text)
    assert found.startswith(message)


def test_a_near_miss_gets_a_hint() -> None:
    (found,) = read_document({"limit": {"seconds": 1}}, "x.toml").problems
    assert found.hint == "did you mean 'limits'?"


def test_all_mistakes_are_reported_at_once() -> None:
    assert len(problems('nope = 1\n[run]\nmode = "x"\nenginee = 1\n[limits]\nmemory = -1\n')) == 4


def test_a_syntax_error_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[run\n")
    (found,) = read_file(str(path)).problems
    assert "bad.toml: not valid TOML: " in str(found)
    assert "line 1" in str(found)


def test_a_file_that_is_not_there_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"cannot read /nope\.toml: No such file or directory"):
        read_file("/nope.toml")


# --- the JSON Schema ---------------------------------------------------------------------------------


def test_the_schema_in_the_manual_is_the_one_in_the_code() -> None:
    written = json.loads((ROOT / "docs" / "config.schema.json").read_text())
    assert written == json_schema(), "python -m uprobe_core.setup.schema > docs/config.schema.json"


def test_the_schema_is_valid_and_accepts_the_full_example() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(tomllib.loads(EVERYTHING), json_schema())


VALUES = st.one_of(
    st.booleans(),
    st.integers(-2, 3),
    st.floats(-1, 2).filter(lambda number: not number.is_integer()),  # JSON Schema: 1.0 is an integer
    st.sampled_from(["", "auto", "trap", "kernel", "kernel:6.1", "2M", "a:/b", "a:/b:ro", "virtual", "c"]),
    st.lists(st.sampled_from(["x", "a:/b", "a:b"]), max_size=2),
    st.dictionaries(st.sampled_from(["A", "B=C"]), st.sampled_from(["x", False, True, 1]), max_size=2),
)
KEYS = st.sampled_from([(table, key) for table, keys in TABLES.items() for key in keys])


@given(KEYS, VALUES)
def test_schema_and_reader_agree_on_every_value(place: tuple[str, str], value: Any) -> None:
    table, key = place
    document = {table: {key: value}}
    valid = jsonschema.Draft202012Validator(json_schema()).is_valid(document)
    assert (read_document(document, "x.toml").problems == []) == valid
