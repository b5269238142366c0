"""Native probes in programs that fork, fault, and look at their own text."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import uprobe_core as up
from tests.cli.command import uprobe
from uprobe_core.types import HandlerVote

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

ENGINES = [("py", "inline"), ("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump"), ("c", "auto")]


@pytest.fixture(params=ENGINES, ids="-".join)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    engine, mode = request.param
    monkeypatch.setenv("UPROBE_ENGINE", engine)
    return str(mode)


def test_hits_in_forked_and_executed_programs_are_counted(build: Callable[[str], str], mode: str) -> None:
    program = build("family")
    with up.Session([program], mode=mode, output=os.devnull) as session:
        calls = session.probe(f"p:work {program}:work a=%x0", up.Count(by="a"))
        sums = session.probe(f"r:outer {program}:outer r=$retval", up.Sum("r"))
        status = session.run()
    assert status.code == 0
    assert calls.result() == {0: 2, 1: 2, 2: 2, 3: 1, 100: 1}
    assert (sums.result()["count"], sums.result()["sum"]) == (3, 123 + 101 + 12)


def test_records_of_a_family_are_written_by_each_process(build: Callable[[str], str], mode: str) -> None:
    program = build("family")
    done = uprobe("run", "--mode", mode, "-e", f"p:work {program}:work a=%x0", program)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if ": work: " in line]
    assert sorted(line.rsplit(" ", 1)[1] for line in lines) == sorted(
        ["a=0x0", "a=0x1", "a=0x2", "a=0x3", "a=0x64", "a=0x0", "a=0x1", "a=0x2"]
    )


def test_a_probed_instruction_that_faults_shows_its_own_address(
    build: Callable[[str], str], mode: str
) -> None:
    program = build("fault")
    done = uprobe(
        "run", "--mode", mode, "-e", f"p:load {program}:load", "-e", f"p:constant {program}:constant", program
    )
    assert done.stdout.splitlines() == ["1 1 10", "41 42"]
    assert done.stderr.count(": load: ") == 4


class Handler:
    """Keeps what it saw."""

    name = "handler"

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.seen: list[Any] = []
        self.act = act

    def handler(self, hit: Any) -> Any:
        self.seen.append((hit.args.get("a"), hit.reg(1), hit.event.name, hit.tid == hit.pid))
        return self.act(hit)


def test_a_python_handler_sees_arguments_and_registers(build: Callable[[str], str], mode: str) -> None:
    program = build("mixed")
    watcher = Handler(lambda hit: None)
    with up.Session([program, "3"], mode=mode, output=os.devnull) as session:
        session.probe(f"p:leaf {program}:leaf a=%x0:s64", watcher)
        session.run()
    assert [(a, b) for a, b, _, _ in watcher.seen] == [(0, 0), (1, 1), (2, 2), (0, 1), (1, 1), (2, 1)]
    assert {(name, same) for _, _, name, same in watcher.seen} == {("leaf", True)}


def test_a_python_handler_that_votes_remove_is_not_called_again(
    build: Callable[[str], str], mode: str
) -> None:
    program = build("mixed")
    once = Handler(lambda hit: HandlerVote.REMOVE)
    with up.Session([program, "3"], mode=mode, output=os.devnull) as session:
        session.probe(f"p:leaf {program}:leaf a=%x0:s64", once)
        session.run()
    assert len(once.seen) == 1


def test_a_python_handler_may_skip_the_function(
    build: Callable[[str], str], mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    program = build("mixed")

    def skip(hit: Any) -> None:
        hit.task.set_reg(0, 1000)
        hit.task.set_reg(32, hit.reg(30))

    with up.Session([program, "2"], mode=mode, output=os.devnull) as session:
        session.probe(f"p:leaf {program}:leaf a=%x0:s64", Handler(skip))
        assert session.run().code == 0
    assert capfd.readouterr().out.split()[0] == "4003"


def test_more_probes_than_hooks_are_worth_change_to_slots(build: Callable[[str], str], mode: str) -> None:
    program = build("mixed")
    places = [(name, 4 * i) for name in ("leaf", "tail", "main") for i in range(4)]
    places += [(name, 0) for name in ("recurse", "scale", "thread")]
    with up.Session([program, "4"], mode=mode, output=os.devnull) as session:
        counts = [
            session.probe(f"p:{name}_{offset} {program}:{name}+{offset} p=%pc", up.Count(by="p"))
            for name, offset in places
        ]
        session.run()
    expected = [8] * 4 + [4] * 4 + [1] * 4 + [10, 4, 1]
    assert [sum(count.result().values()) for count in counts] == expected
    assert all(len(count.result()) == 1 for count in counts)
