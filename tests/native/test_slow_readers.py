"""Nothing is lost to a slow reader, order is kept, and what a bounded run drops is counted and said."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from uprobe_core.discovery.contracts import BlamedWriter
from uprobe_core.discovery.load import load_consumer, load_writer
from uprobe_core.errors import PluginError
from uprobe_core.records.output import RunOutput
from uprobe_core.setup_words import FormatUse

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

Build = Callable[[str], str]


@pytest.fixture(params=["py", "c"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UPROBE_ENGINE", request.param)
    return str(request.param)


def leaf_arguments(rounds: int) -> list[int]:
    """What ``leaf`` is called with in ``mixed ROUNDS``, in order."""
    return [*range(rounds), *range(rounds)]


def arguments_in(text: str) -> list[int]:
    return [int(found, 0) for found in re.findall(r" leaf: \(0x[0-9a-f]+\) a=(-?\w+)", text)]


# --- slow readers -------------------------------------------------------------------------------------


def read_slowly(fd: int) -> str:
    """Everything from *fd*, with a nap before each of the first reads, so that its writer has to wait."""
    parts = []
    for turn in range(1 << 30):
        if turn < 20:
            time.sleep(0.01)
        part = os.read(fd, 4096)
        if not part:
            break
        parts.append(part)
    os.close(fd)
    return b"".join(parts).decode()


@pytest.mark.parametrize("fmt", ["tracefs", "jsonl"])
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_a_slow_pipe_gets_every_record_in_order(build: Build, engine: str, blocking: bool, fmt: str) -> None:
    program = build("mixed")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--format", fmt]
    command += ["-e", f"p:leaf {program}:leaf a=%x0:s64", program, "700"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=writer) as child:
        os.close(writer)
        text = read_slowly(reader)
        assert child.wait() == 0
    if fmt == "jsonl":
        assert [json.loads(line)["args"]["a"] for line in text.splitlines()] == leaf_arguments(700)
    else:
        assert arguments_in(text) == leaf_arguments(700)


class SleepyWriter:
    """Takes its time for some records."""

    seen: list[Any]

    def __init__(self, stream: Any, header: Any) -> None:
        type(self).seen = []

    def write(self, record: Any) -> None:
        if len(self.seen) % 400 == 0:
            time.sleep(0.01)
        self.seen.append(record)

    def close(self) -> None:
        pass


def with_writer(monkeypatch: pytest.MonkeyPatch, writer: type) -> None:
    """``format="slow"`` is *writer*."""

    def make(stream: Any, header: Any) -> Any:
        return BlamedWriter("slow", writer(stream, header))

    def choose(use: FormatUse) -> Any:
        return (False, make) if use.name == "slow" else load_writer(use)

    monkeypatch.setattr("uprobe_core.session.prepared.load_writer", choose)


def test_a_writer_that_sleeps_sees_every_record_in_order(
    build: Build, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_writer(monkeypatch, SleepyWriter)
    program = build("mixed")
    with up.Session([program, "3000"], output=os.devnull, format="slow") as session:
        event = session.probe(f"p:leaf {program}:leaf a=%x0:s64")
        session.attach(event, trace(session, event))
        session.run()
    assert [record.values[0] for record in SleepyWriter.seen] == leaf_arguments(3000)
    times = [record.timestamp_ns for record in SleepyWriter.seen]
    assert times == sorted(times)


def trace(session: up.Session, event: Any) -> Any:
    """What ``-C trace`` attaches to *event*."""
    return load_consumer("trace", {}).attach(event, session)


def test_records_of_both_ways_of_running_a_probe_are_in_the_order_of_hits(
    build: Build, engine: str, tmp_path: Path
) -> None:
    program, out = build("mixed"), tmp_path / "out"
    with up.Session([program, "200"], output=str(out)) as session:
        native = session.probe(f"p:tail {program}:tail a=%x0:s64")
        other = session.probe(f"p:leaf {program}:leaf a=%x0:s64 s=+0(%x2):string")
        session.events.set_filter("leaf", 's ~ "[a-z]*" || a >= 0')  # such a pattern is Python's part
        for event in (native, other):
            session.attach(event, trace(session, event))
        session.run()
    lines = re.findall(r"(\d+\.\d+): (leaf|tail): ", out.read_text())
    assert [name for _, name in lines] == ["leaf"] * 200 + ["tail", "leaf"] * 200
    assert [float(at) for at, _ in lines] == sorted(float(at) for at, _ in lines)


class Broken:
    """A taker of records that fails in the middle."""

    def __init__(self, stream: Any, header: Any) -> None:
        self.count = 0

    def write(self, record: Any) -> None:
        self.count += 1
        if self.count == 30:
            raise ValueError("enough")

    def close(self) -> None:
        pass


def test_a_writer_that_raises_is_named_and_the_run_goes_on(
    build: Build, engine: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with_writer(monkeypatch, Broken)
    program = build("mixed")
    with up.Session([program, "50"], output=os.devnull, format="slow") as session:
        event = session.probe(f"p:leaf {program}:leaf a=%x0:s64")
        session.attach(event, trace(session, event))
        calls = session.probe(f"p:tail {program}:tail", up.Count())
        with pytest.raises(PluginError, match="writer 'slow' failed to write a record"):
            session.run()  # what was to be written is not there
        assert session.status is not None
        assert session.status.code == 0
    assert calls.result() == 50
    shown = capfd.readouterr()
    assert shown.out.endswith(" 1837.5\n")
    assert "writer 'slow' failed to write a record: ValueError: enough" in shown.err


# --- bounded runs ----------------------------------------------------------------------------------------


def bounded(program: str, out: Path, keep: int, rounds: int, fmt: str = "tracefs") -> up.Session:
    session = up.Session([program, str(rounds)], output=str(out), lossy=keep, format=fmt)
    event = session.probe(f"p:leaf {program}:leaf a=%x0:s64")
    session.attach(event, trace(session, event))
    return session


@pytest.mark.parametrize(("keep", "rounds"), [(1, 20), (10, 300), (5000, 3000), (100, 20)])
def test_a_bounded_run_writes_the_last_records_and_how_many_are_lost(
    build: Build, engine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], keep: int, rounds: int
) -> None:
    out = tmp_path / "out"
    with bounded(build("mixed"), out, keep, rounds) as session:
        session.run()
    text, lost = out.read_text(), max(0, 2 * rounds - keep)
    assert arguments_in(text) == leaf_arguments(rounds)[lost:]
    assert text.startswith(f"CPU:0 [LOST {lost} EVENTS]\n") == (lost > 0)
    warning = f"{lost} records were dropped: --lossy keeps {keep}"
    assert (warning in capfd.readouterr().err) == (lost > 0)


def test_a_bounded_run_says_in_json_how_many_are_lost(build: Build, engine: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with bounded(build("mixed"), out, 3, 10, "jsonl") as session:
        session.run()
    first, *others = [json.loads(line) for line in out.read_text().splitlines()]
    assert first == {"v": 2, "lost": 17}
    assert [record["args"]["a"] for record in others] == [7, 8, 9]


def test_records_that_are_dropped_cost_no_python(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPROBE_ENGINE", "c")
    taken: list[Any] = []
    take = RunOutput.record

    def watch(self: RunOutput, record: Any) -> None:
        taken.append(record)
        take(self, record)

    monkeypatch.setattr(RunOutput, "record", watch)
    with bounded(build("mixed"), tmp_path / "out", 50, 20_000) as session:
        session.run()
    assert [record.values[0] for record in taken] == leaf_arguments(20_000)[-50:]


def test_what_an_action_records_is_not_bounded_by_the_output(
    build: Build, engine: str, tmp_path: Path
) -> None:
    program, out = build("mixed"), tmp_path / "out"
    with bounded(program, out, 5, 100) as session:
        kept = session.probe(f"p:tail {program}:tail a=%x0:s64", up.Record("a"))
        session.run()
    assert [record["a"] for record in kept.result()] == list(range(100))
    assert out.read_text().startswith("CPU:0 [LOST 195 EVENTS]\n")
    assert arguments_in(out.read_text()) == [95, 96, 97, 98, 99]


def test_a_bounded_run_of_several_processes_keeps_the_last_records_of_all(
    build: Build, engine: str, tmp_path: Path
) -> None:
    program, out = build("family"), tmp_path / "out"
    with up.Session([program], output=str(out), lossy=3) as session:
        event = session.probe(f"p:work {program}:work a=%x0")
        session.attach(event, trace(session, event))
        session.run()
    first, *lines = out.read_text().splitlines()
    assert first == "CPU:0 [LOST 5 EVENTS]"
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["a=0x0", "a=0x1", "a=0x2"]
