"""A consumer's filter decides in which processes it hears of hits, on both engines and in every mode."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import uprobe_core as up

pytestmark = pytest.mark.parametrize(
    ("engine", "mode"), [("py", "trap"), ("py", "inline"), ("c", "inline"), ("c", "jump"), ("c", "trap")]
)


class Only:
    """Takes hits of the processes that *wanted* says, and writes down whom it was asked about."""

    name = "only"

    def __init__(self, wanted: Callable[[int], bool]) -> None:
        self.wanted = wanted
        self.seen: list[int] = []
        self.asked: set[int] = set()

    def filter(self, process: Any) -> bool:
        self.asked.add(process.pid)
        return self.wanted(process.pid)

    def handler(self, hit: Any) -> None:
        self.seen.append(hit.args["a"])


def run(program: str, engine: str, mode: str, *consumers: Any) -> Any:
    with up.Session([program], engine=engine, mode=mode, output=os.devnull) as session:
        event = session.probe(f"p:work {program}:work a=%x0")
        for consumer in consumers:
            session.attach(event, consumer)
        assert session.run().code == 0
        return session.events.findings.profile(with_missed=False)


def test_hits_of_a_process_that_is_not_wanted_are_not_seen(
    build: Callable[[str], str], engine: str, mode: str
) -> None:
    first = Only(lambda pid: pid == 1000)
    run(build("family"), engine, mode, first)
    assert first.seen == [0, 1, 2, 3]
    assert 1000 in first.asked


def test_a_place_that_nobody_wants_is_not_probed(build: Callable[[str], str], engine: str, mode: str) -> None:
    program = build("family")
    (line,) = run(program, engine, mode, Only(lambda pid: pid == 1000))
    assert line.split()[-1] == "4"
    (line,) = run(program, engine, mode, Only(lambda _pid: False))
    assert line.split()[-1] == "0"


def test_a_filter_speaks_for_its_own_consumer_only(
    build: Callable[[str], str], engine: str, mode: str
) -> None:
    first, every = Only(lambda pid: pid == 1000), up.Count(by="a")
    run(build("family"), engine, mode, first, every)
    assert first.seen == [0, 1, 2, 3]
    assert every.result() == {0: 2, 1: 2, 2: 2, 3: 1, 100: 1}


def test_a_filter_that_raises_is_blamed_and_its_consumer_is_out(
    build: Callable[[str], str], engine: str, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Only):
        def filter(self, process: Any) -> bool:
            raise ValueError("which process?")

    broken = Broken(bool)
    run(build("family"), engine, mode, broken)
    assert broken.seen == []
    assert "consumer 'only' of uprobes/work raised ValueError: which process?" in capsys.readouterr().err
