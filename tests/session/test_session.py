"""A session over a scripted backend: probes, consumers that misbehave, changes while the program runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from uprobe_core.backend import ExitStatus
from uprobe_core.errors import PluginError, ProbeError, UsageError
from uprobe_core.testing.fake_backend import FakeBackend, FakeMachine
from uprobe_core.testing.fake_memory import FakeFile
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import Op, ToyArch, encode
from uprobe_core.types import FileId, HandlerVote

BASE, BACK = 0x1000, 0x8000
F, G, PRIV = 0x1000, 0x1010, 0x1020


class Play:
    """A program with the functions F and G (``nop; ret``) and a privileged instruction, run by a script."""

    def __init__(self, path: Path, script: Callable[[Play], None]) -> None:
        nop, ret = encode(Op.NOP), encode(Op.RET)
        self.words = [nop, ret, nop, nop, nop, ret, nop, nop, encode(Op.PRIV), ret]
        path.write_bytes(b"".join(self.words).ljust(4096, b"\0"))
        self.path = str(path)
        self.script = script
        self.task: FakeTask
        self.machine: FakeMachine
        self.backend = FakeBackend(self._run, self._load)

    def _load(self, machine: FakeMachine) -> None:
        status = os.stat(self.path)
        file = FakeFile(self.path, Path(self.path).read_bytes(), FileId(status.st_dev, status.st_ino))
        self.machine = machine
        self.task = machine.start_process()
        self.task.space.map(file, BASE)
        self.task.space.map(None, BACK)
        self.task.sp = 0x7000

    def _run(self, machine: FakeMachine) -> ExitStatus:
        self.script(self)
        machine.exit(self.task)
        return ExitStatus(code=3, reason=machine.stop_reason)

    def call(self, function: int, argument: int = 0) -> None:
        """Call a function that returns."""
        self.task.args[0] = argument
        self.task.call(function, BACK)
        self.task.arrive(BACK)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a session for a script: ``session(script, **options)``; returns (session, play)."""
    made = []

    def make(script: Callable[[Play], None], **options: Any) -> tuple[up.Session, Play]:
        play = Play(tmp_path / "program", script)
        monkeypatch.setattr("uprobe_core.session.session.load_backend", lambda _name: play.backend)
        monkeypatch.setattr("uprobe_core.session.prepared.load_arch", lambda _name: ToyArch())
        options.setdefault("output", str(tmp_path / "out"))
        new = up.Session([play.path], engine="py", **options)
        made.append(new)
        return new, play

    yield make
    for each in made:
        each.close()


def calls(*functions: int) -> Callable[[Play], None]:
    """A script that calls them in order."""

    def script(play: Play) -> None:
        for number, function in enumerate(functions):
            play.call(function, number)

    return script


def line(play: Play, function: int, kind: str = "p", name: str = "e") -> str:
    return f"{kind}:g/{name} {play.path}:{function - BASE:#x} a=%a0:u64"


class Sink:
    """A consumer whose handlers a test gives."""

    def __init__(self, handler: Any = None, ret_handler: Any = None, name: str = "sink") -> None:
        self.name = name
        if handler is not None:
            self.handler = handler
        if ret_handler is not None:
            self.ret_handler = ret_handler


def test_a_consumer_sees_hits_with_their_arguments_and_the_run_gives_the_status(session: Any) -> None:
    s, play = session(calls(F, G, F))
    record = s.probe(line(play, F), up.Record())
    assert s.run() == ExitStatus(code=3)
    assert record.result() == [{"a": 0}, {"a": 2}]


@pytest.mark.parametrize("mode", ["trap", "inline"])
@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_modes_and_returns_are_chosen_by_name(session: Any, mode: str, returns: str) -> None:
    s, play = session(calls(F, G, F), mode=mode, returns=returns)
    entries, ends = s.probe(line(play, F), up.Count()), s.probe(line(play, F, "r", "r"), up.Count())
    s.run()
    assert (entries.result(), ends.result()) == (2, 2)


def test_an_action_that_serves_one_session_is_refused_by_another(session: Any) -> None:
    first, play = session(calls(F))
    count = first.probe(line(play, F), up.Count())
    first.run()
    second, play = session(calls(F))
    with pytest.raises(UsageError, match="already counts for another session"):
        second.probe(line(play, F), count)
    second.run()
    assert count.result() == 1


def test_closing_gives_the_machine_back(session: Any) -> None:
    s, play = session(calls(F))
    with s:
        s.run()
    assert play.machine.closed


def test_a_session_runs_once(session: Any) -> None:
    s, _play = session(calls(F))
    s.run()
    with pytest.raises(UsageError, match="once"):
        s.run()


# --- consumers that misbehave ----------------------------------------------------------------------------


def raising(_hit: Any) -> None:
    raise ValueError("not my day")


def test_a_consumer_that_raises_is_named_and_disabled_and_the_run_goes_on(
    session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s, play = session(calls(F, F, F))
    count = up.Count()
    s.probe(line(play, F), Sink(raising, name="faulty"), count)
    s.run()
    assert count.result() == 3
    stderr = capsys.readouterr().err
    assert "'faulty'" in stderr
    assert "not my day" in stderr


def test_a_strict_run_ends_with_the_consumers_error_and_writes_what_it_has(session: Any) -> None:
    s, play = session(calls(G, F, G), strict=True)
    record = s.probe(line(play, G, name="before"), up.Record())
    s.probe(line(play, F), Sink(raising, name="faulty"))
    with pytest.raises(PluginError, match="faulty"):
        s.run()
    assert len(record.result()) == 1


def test_a_vote_of_a_consumer_takes_its_probe_out(session: Any) -> None:
    s, play = session(calls(F, F, F), mode="trap")
    seen: list[int] = []

    def once(hit: Any) -> HandlerVote:
        seen.append(hit.address)
        return HandlerVote.REMOVE

    s.probe(line(play, F), Sink(once))
    s.run()
    assert seen == [F]


# --- before and during the run -----------------------------------------------------------------------------


def test_a_probe_that_is_removed_before_the_run_sees_nothing(session: Any) -> None:
    s, play = session(calls(F))
    count = s.probe(line(play, F), up.Count())
    s.remove("g/e")
    s.run()
    assert count.result() == 0


def test_a_probe_can_be_added_from_a_consumer(session: Any) -> None:
    s, play = session(calls(F, G, F, G))
    late = up.Count()
    added: list[Any] = []

    def add(_hit: Any) -> None:
        if not added:
            added.append(s.probe(line(play, G, name="late"), late))

    s.probe(line(play, F), Sink(add))
    s.run()
    assert late.result() == 2


def test_a_probe_can_be_removed_from_a_consumer_between_two_calls(session: Any) -> None:
    s, play = session(calls(G, F, G, G))
    count = s.probe(line(play, G, name="doomed"), up.Count())
    s.probe(line(play, F), Sink(lambda _hit: s.remove("doomed")))
    s.run()
    assert count.result() == 1


def test_an_event_can_be_switched_off_and_on(session: Any) -> None:
    def script(play: Play) -> None:
        play.call(F)
        s.disable("e")
        play.call(F)
        s.enable("e")
        play.call(F)

    s, play = session(script)
    count = s.probe(line(play, F), up.Count())
    s.run()
    assert count.result() == 2


def test_a_consumer_of_returns_can_be_attached_while_the_program_runs(session: Any) -> None:
    returned: list[int] = []

    def script(play: Play) -> None:
        play.call(F)
        s.attach(event, Sink(ret_handler=lambda hit: returned.append(hit.function)))
        play.call(F)
        play.call(F)

    s, play = session(script)
    event = s.probe(line(play, F))
    s.run()
    assert returned == [F, F]


def test_a_place_that_cannot_be_probed_is_said_to_the_consumer_that_asks(session: Any) -> None:
    s, play = session(calls(F, F), policy="kernel")
    told: list[str] = []

    def add(_hit: Any) -> None:
        with pytest.raises(ProbeError, match="PRIV") as caught:
            s.probe(line(play, PRIV, name="refused"))
        told.append(caught.value.errno_name)

    s.probe(line(play, F), Sink(add))
    s.run()
    assert told == ["EINVAL", "EINVAL"]


def test_ctrl_c_asks_the_machine_to_stop_and_what_was_found_stays(session: Any) -> None:
    def script(play: Play) -> None:
        play.call(F)
        os.kill(os.getpid(), signal.SIGINT)

    s, play = session(script)
    count = s.probe(line(play, F), up.Count())
    assert s.run().reason == "interrupt"
    assert count.result() == 1


# --- what is said at the end --------------------------------------------------------------------------------


def test_returns_that_were_missed_are_summed_up(session: Any, tmp_path: Path) -> None:
    def script(play: Play) -> None:
        play.call(F)
        play.task.call(F, BACK)
        play.task.execute()

    s, play = session(script)
    s.probe(line(play, F, "r"), up.Count())
    s.run()
    s.close()
    text = (tmp_path / "out").read_text()
    assert "# g/e: 2 entries = 1 returns + 1 missed (1 exit) + 0 pending" in text


def test_an_offset_beyond_the_end_of_the_file_is_refused(session: Any) -> None:
    """A kernel answers EINVAL when the event is enabled."""
    s, play = session(calls(F))
    s.probe(f"p:g/e {play.path}:0x99999999")
    with pytest.raises(ProbeError, match="beyond the end"):
        s.run()
