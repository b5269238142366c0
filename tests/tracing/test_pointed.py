"""What arguments of system calls point to, as strace writes it: strace.txt has what it wrote."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import uprobe_core as up
from tests.linux.native import both
from tests.programs import zig
from tests.tracing.record_strace import RECORDED
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, RunSetup
from uprobe_core.target import Bind
from uprobe_core.tracing.pointed import Pointed

_OTHERS = {"fork", "clone", "kill", "mmap", "fcntl", "openat", "getpid"}
"""What the C libraries of the two machines call differently, and what is compared elsewhere."""
_CALL = re.compile(r"^(\w+)\((.*)\) += (\?|-?\w+)(?: E?(\w+))?(.*)$")
_COMMENT = re.compile(r" /\* (?:\d+-.*?|\w+_\?\?\?) \*/")
"""Times for people, and of numbers without a name which names they do not have."""
Call = tuple[str, list[str], str]


def _arguments(text: str) -> Iterator[str]:
    """Those of *text* that commas outside of brackets and strings divide."""
    depth, start = 0, 0
    for found in re.finditer(r'"(?:\\.|[^"\\])*"|[][{}(),]', text):
        if found[0] in "[{(":
            depth += 1
        elif found[0] in "]})":
            depth -= 1
        elif found[0] == "," and not depth:
            yield text[start : found.start()].strip()
            start = found.end()
    yield text[start:].strip()


def _plain(text: str) -> str:
    """Without the argument's name; addresses are those of another program, and a number is a number."""
    text = re.sub(r"0x[0-9a-f]{6,12}\b", "ADDRESS", re.sub(r"^\w+=", "", text))
    return str(int(text, 16)) if re.fullmatch("0x[0-9a-f]+", text) else text


def _theirs(line: str) -> Call | None:
    found = _CALL.match(_COMMENT.sub("", line))
    if found is None or found[1] in _OTHERS:
        return None
    name, text, result, error, more = found.groups()
    arguments = [_plain(each) for each in _arguments(text)]
    answers = re.search(r"\((\[\{fd=.*?\}\])", more or "")
    if answers is not None:
        arguments[0] += f" => {answers[1]}"
    return name, arguments, f"-E{error}" if result == "-1" else result


def _ours(line: str) -> Call | None:
    found = re.match(r"^ *[\d.]+ \w+ │ (\w+)\((.*)\) = (\S+)$", line)
    if found is None or found[1] in _OTHERS:
        return None
    return found[1], [_plain(each) for each in _arguments(found[2])], found[3]


def _shown(folder: Path, program: Path, **options: str) -> str:
    given = {"format": "tree:fold=no", **options}
    setup = RunSetup(
        argv=(str(program),),
        output=str(folder / "out"),
        syscalls=True,
        cwd="/work",
        binds=(Bind(str(folder), "/work"),),
        **given,  # type: ignore[arg-type]  # they are texts here
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    return (folder / "out").read_text(errors="replace")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tree of the first process, from the mark of the begin to that of the end."""
    _, guest = both("pointed")
    text = _shown(tmp_path_factory.mktemp("pointed"), guest)
    return re.split('"/(?:begin|end)".*\n', text)[1].splitlines()


def test_each_argument_is_what_strace_wrote(lines: list[str]) -> None:
    theirs = [call for line in RECORDED.read_text().splitlines() if (call := _theirs(line))]
    ours = [call for line in lines if (call := _ours(line))]
    assert len(theirs) > 100
    for expected, found in zip(theirs, ours, strict=True):
        name, arguments, result = expected
        assert found == (name, [*arguments[: len(found[1])], *found[1][len(arguments) :]], result)


@pytest.mark.parametrize("engine", ["c", "py"])
def test_records_have_the_same_text(tmp_path: Path, engine: str) -> None:
    text = _shown(tmp_path, zig("makes_calls.c"), format="jsonl", engine=engine)
    records = [json.loads(line) for line in text.splitlines()]
    assert [r["args"]["buf"] for r in records if r["event"] == "s/write"] == ['"four"']
    (pipe,) = [r["args"]["pipefd"] for r in records if r["event"] == "s/pipe2"]
    assert re.fullmatch(r"\[\d+, \d+\]", pipe)


def test_what_forked_processes_give_is_in_the_records(tmp_path: Path) -> None:
    _, guest = both("pointed")
    lines = _shown(tmp_path, guest, format="jsonl").splitlines()
    child = [record["args"] for record in map(json.loads, lines) if record["pid"] == 1004]
    assert [args["buf"] for args in child if "buf" in args][-1] == '"last"'


def test_a_filter_and_a_count_take_it_as_text(tmp_path: Path) -> None:
    setup = RunSetup(
        argv=(str(zig("makes_calls.c")),),
        output=str(tmp_path / "out"),
        events=(EventLine("s:write"),),
        filters=(FilterUse("s/write", 'buf ~ "*four*"'),),
        consumers=(ConsumerUse("count", {"by": "buf"}),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    assert (tmp_path / "out").read_text().splitlines()[1].split()[0] == "1"
    assert "four" in (tmp_path / "out").read_text()


def test_nothing_is_read_where_nobody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    for name in ("before", "text"):
        monkeypatch.setattr(Pointed, name, lambda *_, name=name: read.append(name))
    setup = RunSetup(
        argv=(str(zig("makes_calls.c")),),
        output=str(tmp_path / "out"),
        syscalls=True,
        consumers=(ConsumerUse("count"),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    assert "s/write" in (tmp_path / "out").read_text()
    assert not read


def test_a_table_has_a_column_for_each_field_and_each_argument(tmp_path: Path) -> None:
    """Calls have arguments that are called as fields of a record are: event, pid, cpu."""
    parquet = pytest.importorskip("pyarrow.parquet")
    text = _shown(tmp_path, zig("makes_calls.c"), format="csv")
    rows = list(csv.DictReader(text.splitlines()))
    _shown(tmp_path, zig("makes_calls.c"), format="parquet")
    table = parquet.read_table(tmp_path / "out")
    columns = text.splitlines()[0].split(",")
    assert table.column_names == columns
    assert len(set(columns)) == len(columns)
    assert {row["pid"] for row in rows} == {"1000"}
    assert set(table["pid"].to_pylist()) == {1000}
    assert {"arg_pid", "arg_cpu", "arg_event"} <= set(columns)
    assert '"four"' in table["buf"].to_pylist()
