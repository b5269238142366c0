"""Events between a uprobe and its consumers: votes, sessions, cookies, filters, and the sums of it all."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.event_model import EventSpec
from uprobe_core.events.parse import Language
from uprobe_core.testing.toy_arch import Op, encode
from uprobe_core.tracing.event import Event, EventProbe
from uprobe_core.types import HandlerVote, Policy

BACK = 0x3000


def no_file_check(path: str) -> Any:
    """A path is any file."""
    from uprobe_core.events.files import FileStatus

    return FileStatus("", True, 0x1000, (1, 1), path)


class Theatre:
    """One event on a function ``nop; ret`` that is called from BACK."""

    def __init__(self, world: Any, line: str) -> None:
        self.world = world
        self.errors: list[tuple[Any, str]] = []
        self.task, self.file = world.program(encode(Op.NOP), encode(Op.RET))
        self.task.space.map(None, BACK)
        language = Language(Policy("anywhere"), world.arch.info.registers, file_check=no_file_check)
        from uprobe_core.events.table import EventTable

        (spec,) = EventTable(language).write(line)
        assert isinstance(spec, EventSpec)
        self.event = Event(spec, self.failed)
        self.probe = EventProbe(spec, self.event)
        self.event.probes.add(self.probe)

    def failed(self, event: Event, sink: Any, error: Exception) -> None:
        """As a session does it: blame and detach."""
        self.errors.append((sink, str(error)))
        event.remove(sink)

    def start(self, *sinks: Any) -> Theatre:
        for sink in sinks:
            self.event.add(sink)
        self.probe.follow()
        self.world.probe(self.file, 0, self.probe)
        return self

    def call(self, argument: int = 0) -> None:
        self.task.args[0] = argument
        self.task.call(0x1000, BACK)
        self.task.arrive(BACK)


@pytest.fixture
def entry(world: Any) -> Theatre:
    return Theatre(world, "p:g/e /bin/f:0x0 a=%a0")


@pytest.fixture
def leave(world: Any) -> Theatre:
    return Theatre(world, "r:g/e /bin/f:0x0 a=%a0")


def test_a_consumers_vote_for_removal_reaches_the_uprobe(entry: Theatre, world: Any) -> None:
    consumer = world.recorder(vote=HandlerVote.REMOVE)
    entry.start(consumer)
    entry.call()
    entry.call()
    assert len(consumer.log) == 1
    assert not entry.task.space.traps


def test_two_consumers_of_one_event_must_both_vote(entry: Theatre, world: Any) -> None:
    one, other = world.recorder(vote=HandlerVote.REMOVE), world.recorder()
    entry.start(one, other)
    entry.call()
    assert entry.task.space.traps
    other.vote = HandlerVote.REMOVE
    entry.call()
    assert not entry.task.space.traps


def test_a_consumer_that_ignores_a_call_does_not_see_its_return_and_the_others_do(
    entry: Theatre, world: Any
) -> None:
    one, other = world.session(vote=HandlerVote.IGNORE), world.session()
    entry.start(one, other)
    entry.call()
    assert (one.returned, len(other.returned)) == ([], 1)


def test_when_every_consumer_ignores_a_call_no_return_is_followed(entry: Theatre, world: Any) -> None:
    entry.start(world.session(vote=HandlerVote.IGNORE))
    entry.task.call(0x1000, BACK)
    entry.task.execute()
    assert not world.dispatcher.utask(entry.task).returns
    assert entry.probe.tallies["entries"] == 0


def test_cookies_stay_with_their_consumer_when_another_one_is_detached(entry: Theatre, world: Any) -> None:
    def fail(_hit: Any) -> None:
        raise RuntimeError("mine")

    bad, good = world.session(act=fail), world.session()
    entry.start(bad, good)
    entry.call()
    entry.call()
    assert [cookie for _, _, cookie in good.returned] == [1, 2]
    assert (bad.returned, entry.errors) == ([], [(bad, "mine")])


def test_a_call_that_the_filter_rejects_is_counted_as_a_hit_only(entry: Theatre, world: Any) -> None:
    """Recorded: uprobe_profile counts hits that a filter rejects."""
    consumer = world.session()
    entry.event.filter = lambda hit: hit.values[0] > 2
    entry.start(consumer)
    for argument in range(5):
        entry.call(argument)
    assert (consumer.entries, len(consumer.returned)) == (2, 2)
    assert entry.probe.tallies == {"hits": 5, "entries": 2, "returns": 2}


def test_the_filter_of_a_return_event_looks_at_the_return(leave: Theatre, world: Any) -> None:
    seen: list[Any] = []

    class Sink:
        name = "sink"

        def ret_handler(self, hit: Any) -> None:
            seen.append(hit.values[0])

    leave.event.filter = lambda hit: hit.values[0] > 2
    leave.start(Sink())
    for argument in range(5):
        leave.call(argument)
    assert seen == [3, 4]
    assert leave.probe.tallies == {"hits": 5, "entries": 5, "returns": 5}


def test_a_disabled_event_neither_counts_nor_follows(leave: Theatre, world: Any) -> None:
    leave.start(world.session())
    leave.event.enabled = False
    leave.call()
    leave.event.enabled = True
    leave.call()
    assert leave.probe.tallies == {"hits": 1, "entries": 1, "returns": 1}


@pytest.mark.parametrize("vote", ["nonsense", True, 99])
def test_a_vote_that_is_none_is_blamed_on_the_consumer(entry: Theatre, world: Any, vote: Any) -> None:
    entry.start(world.recorder(vote=vote))
    entry.call()
    assert [f"{vote!r}" in text for _, text in entry.errors] == [True]
    assert entry.task.space.traps


def test_a_missed_return_is_told_to_consumers_and_counted(leave: Theatre, world: Any) -> None:
    consumer = world.session()
    leave.start(consumer)
    leave.task.call(0x1000, BACK)
    leave.task.execute()
    world.machine.exit(leave.task)
    assert consumer.lost == [(0x1000, "exit")]
    assert leave.probe.tallies == {"hits": 1, "entries": 1, "missed exit": 1}
