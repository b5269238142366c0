"""Consumers that misbehave: named, disabled, counted, and the run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import PATHS, uprobe

pytestmark = pytest.mark.thorough

SOURCE = """
class Raises:
    name = "raises"

    def __init__(self, options):
        self.after = int(options.get("after", 0))
        self.seen = 0

    def attach(self, event, context):
        return self

    def handler(self, hit):
        if self.seen >= self.after:
            raise ValueError("cannot cope")
        self.seen += 1

    def report(self):
        return None


class NoHandler(Raises):
    handler = None


class Leaves(Raises):
    name = "leaves"

    def handler(self, hit):
        raise SystemExit(3)


class Nothing(Raises):
    def attach(self, event, context):
        return None


class NoReport:
    name = "noreport"

    def __init__(self, options):
        pass

    def attach(self, event, context):
        return None


class BadOptions(Raises):
    def __init__(self, options):
        raise KeyError("nothing")


class BadWriter:
    def __init__(self, stream, header):
        pass

    def write(self, record):
        raise ValueError("cannot encode")

    def close(self):
        pass


class BadEnd(BadWriter):
    def write(self, record):
        pass

    def close(self):
        raise ValueError("cannot finish")


class BadDecoder:
    name = "baddecoder"

    def decode(self, code, address):
        raise ValueError("cannot read")


class BadBackend:
    name = "badbackend"

    def __init__(self):
        from uprobe_core.backend import Capabilities
        from uprobe_core.types import Mode, Returns

        self.capabilities = Capabilities(frozenset({Mode.TRAP}), frozenset({Returns.HIJACK}))

    def open(self, target, handler):
        raise RuntimeError("no board attached")


class BadPlugin:
    from uprobe_core.hookspecs import hookimpl

    @hookimpl
    def uprobe_session_start(self, session):
        raise RuntimeError("not today")
"""
POINTS = """[uprobe.consumers]
raises = bad_consumers:Raises
noreport = bad_consumers:NoReport
badoptions = bad_consumers:BadOptions
nohandler = bad_consumers:NoHandler
nothing = bad_consumers:Nothing
leaves = bad_consumers:Leaves
[uprobe.writers]
badwriter = bad_consumers:BadWriter
badend = bad_consumers:BadEnd
[uprobe.decoders]
baddecoder = bad_consumers:BadDecoder
[uprobe.backends]
badbackend = bad_consumers:BadBackend
[uprobe.plugins]
badplugin = bad_consumers:BadPlugin
"""
EVENT = ["-e", "p:work ./loop:work a=%x0"]


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, str]:
    """An environment in which the consumers above are installed."""
    info = tmp_path / "bad_consumers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-consumers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "bad_consumers.py").write_text(SOURCE)
    path = os.pathsep.join([str(tmp_path), *map(str, PATHS)])
    return {**os.environ, "PYTHONPATH": path, "UPROBE_LOAD_PLUGINS": ""}


def test_a_consumer_that_raises_is_named_once_and_the_run_goes_on(bad: dict[str, str]) -> None:
    done = uprobe("run", "-C", "raises", "-C", "trace", *EVENT, "./loop", "3", env=bad)
    assert (done.returncode, done.stdout) == (0, "sum 7\n")
    assert done.stderr.count("consumer 'raises' of uprobes/work raised ValueError: cannot cope") == 1
    assert done.stderr.count(": work: (0x") == 3
    assert "Traceback" not in done.stderr


def test_what_it_did_before_counts(bad: dict[str, str]) -> None:
    done = uprobe("run", "-C", "raises:after=2", "-C", "count", *EVENT, "./loop", "5", env=bad)
    assert "uprobes/work: count\n  5\n" in done.stderr
    assert "raised 1 time" in done.stderr


def test_strict_ends_the_run_with_its_error_and_what_was_recorded(bad: dict[str, str]) -> None:
    options = ["--strict", "-C", "trace", "-C", "raises:after=2"]
    done = uprobe("run", *options, *EVENT, "./loop", "5", env=bad)
    assert done.returncode == 125
    assert done.stderr.count(": work: (0x") == 3
    assert "uprobe: error: consumer 'raises' of uprobes/work raised ValueError: cannot cope" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where_it_raised(bad: dict[str, str]) -> None:
    done = uprobe("run", "--debug", "-C", "raises", *EVENT, "./loop", "1", env=bad)
    assert 'raise ValueError("cannot cope")' in done.stderr


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("noreport", "does not fit the consumer contract: report missing"),
        ("badoptions", "cannot be constructed: KeyError: 'nothing'"),
    ],
)
def test_one_that_does_not_fit_is_refused_by_name(bad: dict[str, str], name: str, complaint: str) -> None:
    done = uprobe("run", "-C", name, *EVENT, "./loop", "1", env=bad)
    assert done.returncode == 125
    assert f"uprobe: error: consumer '{name}' (bad_consumers:" in done.stderr
    assert complaint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["run", "-C", "nohandler", *EVENT, "./loop"], "consumer 'raises' attached what has neither handler"),
        (["check", "-C", "nothing", *EVENT], "consumer 'raises' attached nothing to uprobes/work"),
        (["run", "--format", "badend", *EVENT, "./loop"], "writer 'badend' failed to finish its file: V"),
        (["run", "--format", "badwriter", *EVENT, "./loop"], "writer 'badwriter' failed to write a record: "),
        (["why", "--decoder", "baddecoder", "./loop", "work"], "decoder 'baddecoder' failed to read the "),
        (["run", "--backend", "badbackend", "./loop"], "backend 'badbackend' failed to open the program: "),
    ],
)
def test_whoever_fails_is_named(bad: dict[str, str], command: list[str], message: str) -> None:
    done = uprobe(*command, env=bad)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr


def test_a_hook_that_raises_names_its_plugin(bad: dict[str, str]) -> None:
    done = uprobe("run", "./loop", "1", env={**bad, "UPROBE_LOAD_PLUGINS": "badplugin"})
    assert done.returncode == 125
    assert "plugin 'badplugin' failed to do its part of uprobe_session_start: Runtime" in done.stderr


@pytest.mark.parametrize("engine", ["auto", "py"])
def test_a_handler_that_would_leave_python_is_a_consumer_that_raised(
    bad: dict[str, str], engine: str
) -> None:
    done = uprobe("run", "--engine", engine, "-C", "leaves", *EVENT, "./loop", "3", env=bad)
    assert (done.returncode, done.stdout) == (0, "sum 7\n")
    assert done.stderr.count("consumer 'leaves' of uprobes/work raised RuntimeError: SystemExit(3)") == 1
