"""The life of a consumer over the processes of a run."""

from __future__ import annotations

from typing import Any

import pytest

import uprobe_core as up
from tests.programs import ROOT, zig
from uprobe_core.errors import UsageError

ENGINES = pytest.mark.parametrize("engine", ["py", "auto"])


class Seen:
    """Keeps the argument of each hit."""

    name = "seen"

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def handler(self, hit: up.Hit) -> None:
        self.numbers.append(hit.args["n"])


class Whole(Seen):
    """The same over all processes; logs its life."""

    name = "whole"

    def __init__(self) -> None:
        super().__init__()
        self.life: list[str] = []

    def start(self) -> None:
        self.life.append("start")

    def fork(self) -> None:
        self.numbers.clear()

    def finish(self) -> list[int]:
        self.life.append("finish")
        return self.numbers

    def merge(self, numbers: list[int]) -> None:
        self.life.append("merge")
        self.numbers += numbers


def run(consumer: Any, engine: str, program: str = "family.c") -> Any:
    """*consumer* after a run of family.c: A works with 1 and 2, B with 3, their parent with 4."""
    path = zig(program)
    with up.Session([str(path)], engine=engine) as session:
        session.probe(f"p:work {path}:work n=%x0", consumer)
        assert session.run().shell_status == 0
    return consumer


@ENGINES
def test_a_consumer_brings_together_what_forked_processes_found(engine: str) -> None:
    whole = run(Whole(), engine)
    assert whole.numbers == [4, 3, 1, 2]  # its own, then B's and A's: A's clock was later at its end


@ENGINES
def test_its_life_begins_once_and_its_own_end_comes_last(engine: str) -> None:
    assert run(Whole(), engine).life == ["start", "merge", "merge", "finish"]


@ENGINES
def test_one_that_does_not_take_part_is_named_with_the_hits_that_it_missed(
    engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(Seen(), engine).numbers == [4]
    assert "consumer 'seen' of uprobes/work did not see 3 hits in forked processes" in capfd.readouterr().err


def test_it_hears_of_programs_that_are_replaced() -> None:
    class Executed(Whole):
        def exec(self, process: Any) -> None:
            self.numbers.append(process.pid)

        def handler(self, hit: up.Hit) -> None:
            """Only programs count here."""

    path = zig("vforks.c")
    executed = Executed()
    with up.Session([str(path)]) as session:
        session.probe(f"p:call {path}:main", executed)
        session.run()
    assert executed.numbers == [1001]


def test_one_that_keeps_nothing_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    class Silent(Seen):
        merge = None

    run(Silent(), "auto")
    assert capfd.readouterr().err == ""


def test_actions_take_part(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(up.Count(), "auto").result() == 4
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("missing", ["fork", "finish"])
def test_merging_without_the_other_half_is_refused(missing: str) -> None:
    half = type("Half", (Whole,), {missing: None})()
    with pytest.raises(UsageError, match=rf"has merge\(\) but no {missing}\(\)"):
        run(half, "auto")


def test_a_state_that_cannot_travel_is_the_consumers_fault(capfd: pytest.CaptureFixture[str]) -> None:
    class Stuck(Whole):
        def finish(self) -> Any:
            return lambda: None

    stuck = run(Stuck(), "auto")
    assert stuck.numbers == [4]
    assert "consumer 'whole' of uprobes/work raised" in capfd.readouterr().err


class Leaves(Seen):
    """Wants to end the process when it is asked for what it found."""

    name = "leaves"

    def finish(self) -> None:
        raise SystemExit(3)


class Speechless(Exception):  # noqa: N818  # it is what it cannot say
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")


class Raises(Seen):
    """Raises that at each hit."""

    name = "raises"

    def handler(self, hit: up.Hit) -> None:
        raise Speechless


@ENGINES
@pytest.mark.parametrize(
    ("consumer", "what"),
    [(Leaves, "RuntimeError: SystemExit(3)"), (Raises, "Speechless: (its text raised ValueError)")],
    ids=["leaves", "raises"],
)
def test_no_consumer_ends_the_run(consumer: Any, what: str, engine: str, capfd: Any) -> None:
    path = ROOT / "examples" / "loop"
    with up.Session([str(path), "3"], engine=engine) as session:
        session.probe(f"p:work {path}:work n=%x0", consumer())
        session.run()
    out, messages = capfd.readouterr()
    assert out == "sum 7\n"
    assert f"consumer '{consumer.name}' of uprobes/work raised {what}" in messages
