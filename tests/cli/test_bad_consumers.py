"""Consumers that misbehave: named, disabled, counted, and the run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.bad_plugins import POINTS, SOURCE
from tests.cli.command import PATHS, uprobe

pytestmark = pytest.mark.thorough

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
        (
            ["run", "-C", "nohandler", *EVENT, "./loop"],
            "consumer 'nohandler' attached what has neither handler",
        ),
        (["check", "-C", "nothing", *EVENT], "consumer 'nothing' attached nothing to uprobes/work"),
        (["run", "--format", "badend", *EVENT, "./loop"], "writer 'badend' failed to finish its file: V"),
        (["run", "--format", "badwriter", *EVENT, "./loop"], "writer 'badwriter' failed to write a record: "),
        (["why", "--decoder", "baddecoder", "./loop", "work"], "decoder 'baddecoder' failed to read the "),
        (
            ["run", "-C", "renames", *EVENT, "./loop"],
            "consumer 'renames' failed to attach to uprobes/work: Attr",
        ),
        (["run", "-C", "badbegin", *EVENT, "./loop"], "consumer 'badbegin' failed to begin: SystemExit: 3"),
        (["run", "-C", "badlines", *EVENT, "./loop"], "event_lines is 5, no list of texts"),
        (
            ["run", "-C", "notext", *EVENT, "./loop"],
            "consumer 'notext' failed to report: TypeError: as_text() ",
        ),
        (["run", "-C", "exits", *EVENT, "./loop"], "consumer 'exits' failed to report: SystemExit: 0"),
        (
            ["run", "--format", "leaveswriter", *EVENT, "./loop"],
            "writer 'leaveswriter' failed to write a reco",
        ),
        (["run", "--format", "lazywriter", *EVENT, "./loop"], "write is a generator or a coroutine"),
        (["run", "--format", "badoptions", *EVENT, "./loop"], "options is ['level'], not a dictionary"),
        (["why", "--decoder", "stringdecoder", "./loop", "work"], "decoder 'stringdecoder' failed to read "),
        (["why", "--decoder", "linesdecoder", "./loop", "work"], "which is not one line of text"),
        (["run", "--backend", "badbackend", "./loop"], "backend 'badbackend' failed to open the program: "),
    ],
)
def test_whoever_fails_is_named(bad: dict[str, str], command: list[str], message: str) -> None:
    done = uprobe(*command, env=bad)
    assert done.returncode in {2, 125}
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr


def test_a_hook_that_raises_names_its_plugin(bad: dict[str, str]) -> None:
    done = uprobe("run", "./loop", "1", env={**bad, "UPROBE_LOAD_PLUGINS": "badplugin"})
    assert done.returncode == 125
    assert "plugin 'badplugin' failed to do its part of uprobe_session_start: Runtime" in done.stderr


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        ("wronganswer", "failed to do its part of post_xol: TypeError: it returned 'yes', which is no bool"),
        ("raisingwrapper", "failed to do its part of post_xol: ValueError: not like this"),
        ("twicewrapper", "failed to do its part of pre_xol: RuntimeError: it yielded twice"),
        ("noverdict", "failed to do its part of analyze_insn: TypeError: it returned None"),
        ("wrapstext", "failed to do its part of uprobe_arch_wrappers: TypeError: it returned 'text'"),
        ("wrapsnothing", "wraps nothing: object has no method that is marked with"),
        ("exitsatstart", "failed to do its part of uprobe_session_start: SystemExit: 0"),
    ],
)
def test_a_plugin_that_wraps_wrongly_is_named(bad: dict[str, str], plugin: str, complaint: str) -> None:
    done = uprobe("run", *EVENT, "./loop", "1", env={**bad, "UPROBE_LOAD_PLUGINS": plugin})
    assert done.returncode == 125
    assert f"uprobe: error: plugin '{plugin}' {complaint}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrapper_is_called_at_hits_whatever_the_mode_or_the_run_says_that_it_is_not(
    bad: dict[str, str],
) -> None:
    env = {**bad, "UPROBE_LOAD_PLUGINS": "raisingwrapper"}
    for mode in ("auto", "trap"):
        assert uprobe("run", "--mode", mode, *EVENT, "./loop", "1", env=env).returncode == 125
    inline = uprobe("run", "--mode", "inline", *EVENT, "./loop", "1", env=env)
    assert inline.returncode == 0
    assert "plugins wrap operations of the architecture, which --mode inline calls at no hit" in inline.stderr


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("odd", "RuntimeError: GeneratorExit()"),
        ("ends", "RuntimeError: os._exit() ends the process, which is not a plugin's to do"),
        ("forks", "RuntimeError: os.fork() has the run twice, which is not a plugin's to do"),
        ("maybe", "TypeError: filter returned 'maybe', which is neither True nor False"),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "py"])
def test_what_no_handler_may_do_disables_it(bad: dict[str, str], engine: str, name: str, error: str) -> None:
    done = uprobe("run", "--engine", engine, "-C", name, "-C", "trace", *EVENT, "./loop", "3", env=bad)
    assert (done.returncode, done.stdout) == (0, "sum 7\n")
    assert f"consumer '{name}' of uprobes/work raised {error}" in done.stderr
    assert done.stderr.count(": work: (0x") == 3


@pytest.mark.parametrize("engine", ["auto", "py"])
def test_a_handler_that_would_leave_python_is_a_consumer_that_raised(
    bad: dict[str, str], engine: str
) -> None:
    done = uprobe("run", "--engine", engine, "-C", "leaves", *EVENT, "./loop", "3", env=bad)
    assert (done.returncode, done.stdout) == (0, "sum 7\n")
    assert done.stderr.count("consumer 'leaves' of uprobes/work raised RuntimeError: SystemExit(3)") == 1
